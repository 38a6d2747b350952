// Sixteen numbers at a time, on whatever vector unit the compiler was told of.
//
// Every kernel of the engine is written once, over the three types below:
//
//   Floats   sixteen fp32 numbers
//   Ints     sixteen int32 sums
//   Bytes    sixty-four small unsigned weights: for each of sixteen rows, four neighbours
//
// There are three builds of them: AVX-512 with VNNI, AVX2, and plain C++, which a compiler turns into
// what it knows (NEON, SSE). The layouts of the packed weights do not depend on which one it is.
// PARLEY_PORTABLE asks for the plain build everywhere; a test holds the three to the same numbers.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#if !defined(PARLEY_PORTABLE)
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VNNI__)
#define PARLEY_AVX512 1
#elif defined(__AVX2__) && (defined(__FMA__) || defined(_MSC_VER))
#define PARLEY_AVX2 1
#endif
#endif

#if defined(PARLEY_AVX512) || defined(PARLEY_AVX2)
#include <immintrin.h>
#endif

namespace parley {

constexpr int kLanes = 16;

inline float from_bf16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

// To the nearest bf16, ties to even; the engine has no NaNs to preserve.
inline uint16_t to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

inline void prefetch(const void* address) {
#if defined(PARLEY_AVX512) || defined(PARLEY_AVX2)
  _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
#elif defined(__GNUC__)
  __builtin_prefetch(address);
#else
  (void)address;
#endif
}

#if defined(PARLEY_AVX512)

struct Floats {
  __m512 v;

  static Floats zero() { return {_mm512_setzero_ps()}; }
  static Floats all(float x) { return {_mm512_set1_ps(x)}; }
  static Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Floats load(const uint16_t* p) {  // bf16
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  float sum() const { return _mm512_reduce_add_ps(v); }
  float most() const { return _mm512_reduce_max_ps(v); }
};

inline Floats operator+(Floats a, Floats b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Floats operator-(Floats a, Floats b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Floats operator/(Floats a, Floats b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Floats max(Floats a, Floats b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Floats min(Floats a, Floats b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Floats magnitude(Floats a) { return {_mm512_abs_ps(a.v)}; }
inline Floats nearest(Floats a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Floats multiply_add(Floats a, Floats b, Floats c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// 2^n for whole n within the exponent's range.
inline Floats power_of_two(Floats n) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23))};
}
// Sixteen whole numbers within ±127 as bytes.
inline void store_bytes(Floats a, int8_t* p) {
  const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a.v));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}

struct Bytes {
  __m512i v;

  static Bytes load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  Bytes low_nibbles() const { return {_mm512_and_si512(v, _mm512_set1_epi8(15))}; }
  Bytes high_nibbles() const {
    return {_mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15))};
  }
};

struct Ints {
  __m512i v;

  static Ints all(int32_t x) { return {_mm512_set1_epi32(x)}; }
  Floats floats() const { return {_mm512_cvtepi32_ps(v)}; }
  // Adds, in every lane, the products of its four weights with the four activations of `four`.
  void dot(Bytes weights, int32_t four) {
    v = _mm512_dpbusd_epi32(v, weights.v, _mm512_set1_epi32(four));
  }
  void dot_nibbles(Bytes weights, int32_t four) { dot(weights, four); }
};

#elif defined(PARLEY_AVX2)

struct Floats {
  __m256 a, b;

  static Floats zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Floats all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Floats load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static Floats load(const uint16_t* p) { return {wide(p), wide(p + 8)}; }  // bf16
  void store(float* p) const {
    _mm256_storeu_ps(p, a);
    _mm256_storeu_ps(p + 8, b);
  }
  float sum() const {
    const __m256 both = _mm256_add_ps(a, b);
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  float most() const {
    const __m256 both = _mm256_max_ps(a, b);
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }

 private:
  static __m256 wide(const uint16_t* p) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  }
};

inline Floats operator+(Floats x, Floats y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline Floats operator-(Floats x, Floats y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline Floats operator*(Floats x, Floats y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline Floats operator/(Floats x, Floats y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
inline Floats max(Floats x, Floats y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline Floats min(Floats x, Floats y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
inline Floats magnitude(Floats x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
inline Floats nearest(Floats x) {
  constexpr int how = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.a, how), _mm256_round_ps(x.b, how)};
}
inline Floats multiply_add(Floats x, Floats y, Floats z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline __m256 power_of_two_half(__m256 n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
inline Floats power_of_two(Floats n) { return {power_of_two_half(n.a), power_of_two_half(n.b)}; }
inline void store_bytes(Floats x, int8_t* p) {
  __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b));
  words = _mm256_permute4x64_epi64(words, 0xd8);  // the pack works within halves of the register
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}

struct Bytes {
  __m256i a, b;

  static Bytes load(const uint8_t* p) {
    const __m256i* halves = reinterpret_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(halves), _mm256_loadu_si256(halves + 1)};
  }
  Bytes low_nibbles() const {
    const __m256i mask = _mm256_set1_epi8(15);
    return {_mm256_and_si256(a, mask), _mm256_and_si256(b, mask)};
  }
  Bytes high_nibbles() const {
    const __m256i mask = _mm256_set1_epi8(15);
    return {_mm256_and_si256(_mm256_srli_epi16(a, 4), mask),
            _mm256_and_si256(_mm256_srli_epi16(b, 4), mask)};
  }
};

struct Ints {
  __m256i a, b;

  static Ints all(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
  Floats floats() const { return {_mm256_cvtepi32_ps(a), _mm256_cvtepi32_ps(b)}; }
  void dot(Bytes weights, int32_t four) {
    const __m256i x = _mm256_set1_epi32(four);
    // Through 16 bits, even and odd bytes apart: the shorter way of `dot_nibbles` would saturate.
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8);
    const __m256i odd = _mm256_srai_epi16(x, 8);
    a = _mm256_add_epi32(a, products(weights.a, even, odd));
    b = _mm256_add_epi32(b, products(weights.b, even, odd));
  }
  void dot_nibbles(Bytes weights, int32_t four) {
    const __m256i x = _mm256_set1_epi32(four), ones = _mm256_set1_epi16(1);
    a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(weights.a, x), ones));
    b = _mm256_add_epi32(b, _mm256_madd_epi16(_mm256_maddubs_epi16(weights.b, x), ones));
  }

 private:
  static __m256i products(__m256i bytes, __m256i even, __m256i odd) {
    const __m256i low = _mm256_and_si256(bytes, _mm256_set1_epi16(255));
    const __m256i high = _mm256_srli_epi16(bytes, 8);
    return _mm256_add_epi32(_mm256_madd_epi16(low, even), _mm256_madd_epi16(high, odd));
  }
};

#else

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

#endif

// Thirty-two bf16 numbers, multiplied and summed in neighbouring pairs, where the processor can do that.
#if defined(PARLEY_AVX512) && defined(__AVX512BF16__)
constexpr bool kHasPairs = true;
struct Pairs {
  __m512bh v;

  static Pairs load(const uint16_t* p) { return {(__m512bh)_mm512_loadu_si512(p)}; }
};
inline Floats multiply_add(Pairs a, Pairs b, Floats c) { return {_mm512_dpbf16_ps(c.v, a.v, b.v)}; }
#else
constexpr bool kHasPairs = false;
struct Pairs {
  const uint16_t* p;

  static Pairs load(const uint16_t* p) { return {p}; }
};
inline Floats multiply_add(Pairs a, Pairs b, Floats c) {
  const Floats first = multiply_add(Floats::load(a.p), Floats::load(b.p), c);
  return multiply_add(Floats::load(a.p + kLanes), Floats::load(b.p + kLanes), first);
}
#endif

// e^x to within two units in the last place; x is cut to where fp32 has normal numbers.
inline Floats exponential(Floats x) {
  x = min(max(x, Floats::all(-87.0f)), Floats::all(88.0f));
  // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two pieces, so that r keeps all its digits.
  const Floats n = nearest(x * Floats::all(1.44269504f));
  Floats r = multiply_add(n, Floats::all(-0.693145751953125f), x);
  r = multiply_add(n, Floats::all(-1.42860677e-6f), r);
  // The series to r^7 / 7!, whose first missing term is below 6e-9.
  Floats sum = Floats::all(1.0f / 5040.0f);
  for (float term : {1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 0.5f, 1.0f, 1.0f}) {
    sum = multiply_add(sum, r, Floats::all(term));
  }
  return sum * power_of_two(n);
}

}  // namespace parley
