// The vectors of lanes.hpp on AVX2, two registers of eight each; lanes.hpp includes it.
#pragma once

#include <immintrin.h>

namespace parley {

#if defined(__AVXVNNI__)
constexpr const char* kKernels = "avx2-vnni";
#else
constexpr const char* kKernels = "avx2";
#endif
constexpr int32_t kTakenOff = 0;

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
#if defined(__AVXVNNI__)
  void dot(Bytes weights, int32_t four) {
    const __m256i x = _mm256_set1_epi32(four);
    a = _mm256_dpbusd_avx_epi32(a, weights.a, x);
    b = _mm256_dpbusd_avx_epi32(b, weights.b, x);
  }
  void dot_nibbles(Bytes weights, int32_t four) { dot(weights, four); }
#else
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
#endif
};

}  // namespace parley
