// The vectors of lanes.hpp in plain C++; lanes.hpp includes it.
#pragma once

namespace parley {

constexpr const char* kKernels = "portable";
constexpr int32_t kTakenOff = 0;

struct Floats {
  float v[kLanes];

  static Floats zero() { return all(0.0f); }
  static Floats all(float x) {
    Floats out;
    for (float& lane : out.v) lane = x;
    return out;
  }
  static Floats load(const float* p) {
    Floats out;
    std::memcpy(out.v, p, sizeof out.v);
    return out;
  }
  static Floats load(const uint16_t* p) {  // bf16
    Floats out;
    for (int i = 0; i < kLanes; ++i) out.v[i] = from_bf16(p[i]);
    return out;
  }
  void store(float* p) const { std::memcpy(p, v, sizeof v); }
  float sum() const {
    float part[8];
    for (int i = 0; i < 8; ++i) part[i] = v[i] + v[i + 8];
    for (int i = 0; i < 4; ++i) part[i] += part[i + 4];
    return (part[0] + part[2]) + (part[1] + part[3]);
  }
  float most() const {
    float out = v[0];
    for (float lane : v) out = lane > out ? lane : out;
    return out;
  }
};

template <typename F>
inline Floats lanewise(Floats a, Floats b, F f) {
  for (int i = 0; i < kLanes; ++i) a.v[i] = f(a.v[i], b.v[i]);
  return a;
}
inline Floats operator+(Floats a, Floats b) {
  return lanewise(a, b, [](float x, float y) { return x + y; });
}
inline Floats operator-(Floats a, Floats b) {
  return lanewise(a, b, [](float x, float y) { return x - y; });
}
inline Floats operator*(Floats a, Floats b) {
  return lanewise(a, b, [](float x, float y) { return x * y; });
}
inline Floats operator/(Floats a, Floats b) {
  return lanewise(a, b, [](float x, float y) { return x / y; });
}
inline Floats max(Floats a, Floats b) {
  return lanewise(a, b, [](float x, float y) { return x > y ? x : y; });
}
inline Floats min(Floats a, Floats b) {
  return lanewise(a, b, [](float x, float y) { return x < y ? x : y; });
}
inline Floats magnitude(Floats a) {
  for (float& lane : a.v) lane = std::fabs(lane);
  return a;
}
inline Floats nearest(Floats a) {
  for (float& lane : a.v) lane = std::nearbyint(lane);
  return a;
}
inline Floats multiply_add(Floats a, Floats b, Floats c) {
  for (int i = 0; i < kLanes; ++i) c.v[i] += a.v[i] * b.v[i];
  return c;
}
inline Floats power_of_two(Floats n) {
  for (float& lane : n.v) {
    const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(lane) + 127) << 23;
    std::memcpy(&lane, &bits, sizeof bits);
  }
  return n;
}
inline void store_bytes(Floats a, int8_t* p) {
  for (int i = 0; i < kLanes; ++i) p[i] = static_cast<int8_t>(a.v[i]);
}

struct Bytes {
  uint8_t v[4 * kLanes];

  static Bytes load(const uint8_t* p) {
    Bytes out;
    std::memcpy(out.v, p, sizeof out.v);
    return out;
  }
  Bytes low_nibbles() const {
    Bytes out;
    for (int i = 0; i < 4 * kLanes; ++i) out.v[i] = v[i] & 15;
    return out;
  }
  Bytes high_nibbles() const {
    Bytes out;
    for (int i = 0; i < 4 * kLanes; ++i) out.v[i] = v[i] >> 4;
    return out;
  }
};

struct Ints {
  int32_t v[kLanes];

  static Ints all(int32_t x) {
    Ints out;
    for (int32_t& lane : out.v) lane = x;
    return out;
  }
  Floats floats() const {
    Floats out;
    for (int i = 0; i < kLanes; ++i) out.v[i] = static_cast<float>(v[i]);
    return out;
  }
  void dot(Bytes weights, int32_t four) {
    int8_t x[4];
    std::memcpy(x, &four, sizeof x);
    for (int i = 0; i < kLanes; ++i) {
      for (int j = 0; j < 4; ++j) v[i] += weights.v[4 * i + j] * x[j];
    }
  }
  void dot_nibbles(Bytes weights, int32_t four) { dot(weights, four); }
};

}  // namespace parley
