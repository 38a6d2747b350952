// The vectors of lanes.hpp on AVX-512; lanes.hpp includes it.
#pragma once

#include <immintrin.h>

namespace parley {

constexpr const char* kKernels = "avx512";
constexpr int32_t kTakenOff = 0;

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

#if defined(__AVX512BF16__)
#define PARLEY_PAIRS 1
struct Pairs {
  __m512bh v;

  static Pairs load(const uint16_t* p) {
    Pairs out;
    std::memcpy(&out.v, p, sizeof out.v);
    return out;
  }
};
inline Floats multiply_add(Pairs a, Pairs b, Floats c) { return {_mm512_dpbf16_ps(c.v, a.v, b.v)}; }
#endif

}  // namespace parley
