// Sixteen numbers at a time, on whatever vector unit the compiler was told of.
//
// Every kernel of the engine is written once, over the types that one of the headers below gives:
//
//   Floats   sixteen fp32 numbers
//   Ints     sixteen int32 sums
//   Bytes    sixty-four small unsigned weights: for each of sixteen rows, four neighbours
//   Pairs    thirty-two bf16 numbers, of which neighbours are summed; where the processor has that
//
// There are four of them: AVX-512 with VNNI, AVX2 (with or without VNNI), NEON (with what a processor has
// beyond its plain form) and plain C++, which a compiler turns into what it knows. The layouts of the
// packed weights do not depend on which one it is. PARLEY_PORTABLE asks for plain C++ everywhere; tests
// hold those that a machine can run to the same numbers.
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
#elif defined(__aarch64__) && defined(__ARM_NEON)
#define PARLEY_NEON 1
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

}  // namespace parley

// Besides the types above, each says with `kKernels` which one it is, and with `kTakenOff` what its Ints
// take off every weight by themselves when they add an int8 weight's product.
#if defined(PARLEY_AVX512)
#include "lanes_avx512.hpp"
#elif defined(PARLEY_AVX2)
#include "lanes_avx2.hpp"
#elif defined(PARLEY_NEON)
#include "lanes_neon.hpp"
#else
#include "lanes_portable.hpp"
#endif

namespace parley {

#if defined(PARLEY_PAIRS)
constexpr bool kHasPairs = true;
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
