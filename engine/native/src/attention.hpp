// One query position of one key-value head and the query heads that share it.
#pragma once

#include <cstdint>

#include "lanes.hpp"

namespace parley {

template <typename Cell>
inline void store_cell(Cell* to, float value);
template <>
inline void store_cell(float* to, float value) { *to = value; }
template <>
inline void store_cell(uint16_t* to, float value) { *to = to_bf16(value); }

// Turns scores into weights: e^(score - largest) / their sum. Returns nothing beyond `count`.
inline void softmax(float* scores, int64_t count) {
  float most = scores[0];
  for (int64_t i = 1; i < count; ++i) most = scores[i] > most ? scores[i] : most;
  const Floats largest = Floats::all(most);
  Floats total = Floats::zero();
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Floats weight = exponential(Floats::load(scores + i) - largest);
    weight.store(scores + i);
    total = total + weight;
  }
  float sum = total.sum();
  for (; i < count; ++i) {
    scores[i] = std::exp(scores[i] - most);
    sum += scores[i];
  }
  const float share = 1.0f / sum;
  for (i = 0; i < count; ++i) scores[i] *= share;
}

// Keys and values (count, padded) of one head at neighbouring positions.
template <typename Cell>
struct Span {
  const Cell *keys, *values;
  int64_t count;
};

// Attends from G queries (G, padded), already scaled, to the positions of two spans, in their order; the
// first may be empty. `scores` has room for G × stride numbers; `out` is (G, padded).
template <int G, typename Cell>
void attend(const float* queries, const Span<Cell> (&spans)[2], int64_t padded, float* scores,
            int64_t stride, float* out) {
  int64_t seen = 0;
  for (const Span<Cell>& span : spans) {
    for (int64_t j = 0; j < span.count; ++j, ++seen) {
      Floats sum[G];
      for (Floats& one : sum) one = Floats::zero();
      for (int64_t i = 0; i < padded; i += kLanes) {
        const Floats key = Floats::load(span.keys + j * padded + i);
        for (int g = 0; g < G; ++g) {
          sum[g] = multiply_add(Floats::load(queries + g * padded + i), key, sum[g]);
        }
      }
      for (int g = 0; g < G; ++g) scores[g * stride + seen] = sum[g].sum();
    }
  }
  for (int g = 0; g < G; ++g) softmax(scores + g * stride, seen);
  for (int64_t i = 0; i < padded; i += kLanes) {
    Floats sum[G];
    for (Floats& one : sum) one = Floats::zero();
    const float* weights = scores;
    for (const Span<Cell>& span : spans) {
      for (int64_t j = 0; j < span.count; ++j) {
        const Floats value = Floats::load(span.values + j * padded + i);
        for (int g = 0; g < G; ++g) {
          sum[g] = multiply_add(Floats::all(weights[g * stride + j]), value, sum[g]);
        }
      }
      weights += span.count;
    }
    for (int g = 0; g < G; ++g) sum[g].store(out + g * padded + i);
  }
}

}  // namespace parley
