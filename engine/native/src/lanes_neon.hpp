// The vectors of lanes.hpp on NEON, four registers of four each; lanes.hpp includes it.
//
// Products of bytes come in three kinds of processor: with instructions for unsigned times signed (i8mm),
// for signed times signed (dotprod), and without either, through sums of 16 bits.
#pragma once

#include <arm_neon.h>

namespace parley {

#if defined(__ARM_FEATURE_MATMUL_INT8)
constexpr const char* kKernels = "neon-i8mm";
constexpr int32_t kTakenOff = 0;
#elif defined(__ARM_FEATURE_DOTPROD)
constexpr const char* kKernels = "neon-dotprod";
constexpr int32_t kTakenOff = 128;  // weights are made signed
#else
constexpr const char* kKernels = "neon";
constexpr int32_t kTakenOff = 128;
#endif

struct Floats {
  float32x4_t a, b, c, d;

  static Floats zero() { return all(0.0f); }
  static Floats all(float x) {
    const float32x4_t four = vdupq_n_f32(x);
    return {four, four, four, four};
  }
  static Floats load(const float* p) {
    return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
  }
  static Floats load(const uint16_t* p) {  // bf16
    const uint16x8_t first = vld1q_u16(p), second = vld1q_u16(p + 8);
    return {wide(vshll_n_u16(vget_low_u16(first), 16)), wide(vshll_high_n_u16(first, 16)),
            wide(vshll_n_u16(vget_low_u16(second), 16)), wide(vshll_high_n_u16(second, 16))};
  }
  void store(float* p) const {
    vst1q_f32(p, a);
    vst1q_f32(p + 4, b);
    vst1q_f32(p + 8, c);
    vst1q_f32(p + 12, d);
  }
  float sum() const { return vaddvq_f32(vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d))); }
  float most() const {
    return vmaxnmvq_f32(vmaxnmq_f32(vmaxnmq_f32(a, c), vmaxnmq_f32(b, d)));
  }

 private:
  static float32x4_t wide(uint32x4_t bits) { return vreinterpretq_f32_u32(bits); }
};

template <typename F>
inline Floats by_four(Floats x, F f) {
  return {f(x.a), f(x.b), f(x.c), f(x.d)};
}
template <typename F>
inline Floats by_four(Floats x, Floats y, F f) {
  return {f(x.a, y.a), f(x.b, y.b), f(x.c, y.c), f(x.d, y.d)};
}
using Four = float32x4_t;

inline Floats operator+(Floats x, Floats y) {
  return by_four(x, y, [](Four p, Four q) { return vaddq_f32(p, q); });
}
inline Floats operator-(Floats x, Floats y) {
  return by_four(x, y, [](Four p, Four q) { return vsubq_f32(p, q); });
}
inline Floats operator*(Floats x, Floats y) {
  return by_four(x, y, [](Four p, Four q) { return vmulq_f32(p, q); });
}
inline Floats operator/(Floats x, Floats y) {
  return by_four(x, y, [](Four p, Four q) { return vdivq_f32(p, q); });
}
// Of a number and what is none, the number, as everywhere else.
inline Floats max(Floats x, Floats y) {
  return by_four(x, y, [](Four p, Four q) { return vmaxnmq_f32(p, q); });
}
inline Floats min(Floats x, Floats y) {
  return by_four(x, y, [](Four p, Four q) { return vminnmq_f32(p, q); });
}
inline Floats magnitude(Floats x) {
  return by_four(x, [](Four p) { return vabsq_f32(p); });
}
inline Floats nearest(Floats x) {
  return by_four(x, [](Four p) { return vrndnq_f32(p); });
}
inline Floats multiply_add(Floats x, Floats y, Floats z) {
  return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
          vfmaq_f32(z.d, x.d, y.d)};
}
inline Floats power_of_two(Floats n) {
  return by_four(n, [](Four p) {
    const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(p), vdupq_n_s32(127));
    return vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23));
  });
}
inline int16x8_t narrow(Four p, Four q) {
  return vcombine_s16(vmovn_s32(vcvtq_s32_f32(p)), vmovn_s32(vcvtq_s32_f32(q)));
}
inline void store_bytes(Floats x, int8_t* p) {
  vst1q_s8(p, vcombine_s8(vmovn_s16(narrow(x.a, x.b)), vmovn_s16(narrow(x.c, x.d))));
}

struct Bytes {
  uint8x16_t a, b, c, d;

  static Bytes load(const uint8_t* p) {
    return {vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)};
  }
  Bytes low_nibbles() const {
    const uint8x16_t mask = vdupq_n_u8(15);
    return {vandq_u8(a, mask), vandq_u8(b, mask), vandq_u8(c, mask), vandq_u8(d, mask)};
  }
  Bytes high_nibbles() const {
    return {vshrq_n_u8(a, 4), vshrq_n_u8(b, 4), vshrq_n_u8(c, 4), vshrq_n_u8(d, 4)};
  }
};

struct Ints {
  int32x4_t a, b, c, d;

  static Ints all(int32_t x) {
    const int32x4_t four = vdupq_n_s32(x);
    return {four, four, four, four};
  }
  Floats floats() const {
    return {vcvtq_f32_s32(a), vcvtq_f32_s32(b), vcvtq_f32_s32(c), vcvtq_f32_s32(d)};
  }
  void dot(Bytes weights, int32_t four) {
    const int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(four));
    a = with_bytes(a, weights.a, x);
    b = with_bytes(b, weights.b, x);
    c = with_bytes(c, weights.c, x);
    d = with_bytes(d, weights.d, x);
  }
  void dot_nibbles(Bytes weights, int32_t four) {
    const int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(four));
    a = with_signed(a, vreinterpretq_s8_u8(weights.a), x);
    b = with_signed(b, vreinterpretq_s8_u8(weights.b), x);
    c = with_signed(c, vreinterpretq_s8_u8(weights.c), x);
    d = with_signed(d, vreinterpretq_s8_u8(weights.d), x);
  }

 private:
  static int32x4_t with_bytes(int32x4_t sum, uint8x16_t w, int8x16_t x) {
#if defined(__ARM_FEATURE_MATMUL_INT8)
    return vusdotq_s32(sum, w, x);
#else
    return with_signed(sum, vreinterpretq_s8_u8(veorq_u8(w, vdupq_n_u8(128))), x);
#endif
  }
  static int32x4_t with_signed(int32x4_t sum, int8x16_t w, int8x16_t x) {
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, w, x);
#else
    // Activations stay within ±127, so two products of 128 and 127 still fit 16 bits.
    const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x));
    const int16x8_t high = vmull_high_s8(w, x);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
#endif
  }
};

#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#define PARLEY_PAIRS 1
struct Pairs {
  bfloat16x8_t a, b, c, d;

  static Pairs load(const uint16_t* p) {
    const bfloat16_t* cells = reinterpret_cast<const bfloat16_t*>(p);
    return {vld1q_bf16(cells), vld1q_bf16(cells + 8), vld1q_bf16(cells + 16), vld1q_bf16(cells + 24)};
  }
};
inline Floats multiply_add(Pairs x, Pairs y, Floats z) {
  return {vbfdotq_f32(z.a, x.a, y.a), vbfdotq_f32(z.b, x.b, y.b), vbfdotq_f32(z.c, x.c, y.c),
          vbfdotq_f32(z.d, x.d, y.d)};
}
#endif

}  // namespace parley
