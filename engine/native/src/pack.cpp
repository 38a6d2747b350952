// Quantising: from rows of fp32 or bf16 to the packed layouts of matrix.hpp, and back.
#include <cmath>
#include <vector>

#include "lanes.hpp"
#include "matrix.hpp"

namespace parley {

namespace {

// The weights of a row, widened and padded with zeros; a row beyond the matrix is all zeros.
void read_row(const Matrix& from, int64_t row, float* out, int64_t padded) {
  int64_t i = 0;
  if (row < from.rows) {
    const int64_t at = row * from.cols;
    for (; i < from.cols; ++i) {
      out[i] = from.format == PARLEY_BF16 ? from_bf16(static_cast<const uint16_t*>(from.data)[at + i])
                                          : static_cast<const float*>(from.data)[at + i];
    }
  }
  for (; i < padded; ++i) out[i] = 0.0f;
}

// Of largest magnitude, with its sign.
float extreme(const float* x, int64_t count) {
  float most = 0.0f, sign = 0.0f;
  for (int64_t i = 0; i < count; ++i) {
    const float size = std::fabs(x[i]);
    if (size > most) {
      most = size;
      sign = x[i];
    }
  }
  return sign;
}

inline float clamped(float x, float low, float high) { return x < low ? low : (x > high ? high : x); }

// Thirty-two weights as levels -8 … 7 of some scale, and what a least-squares fit needs of them.
struct Levels {
  Floats a, b;

  Levels(Floats xa, Floats xb, float inverse) : a(level(xa, inverse)), b(level(xb, inverse)) {}
  float with(Floats xa, Floats xb) const { return multiply_add(a, xa, b * xb).sum(); }
  float square() const { return with(a, b); }

 private:
  static Floats level(Floats x, float inverse) {
    return max(min(nearest(x * Floats::all(inverse)), Floats::all(7.0f)), Floats::all(-8.0f));
  }
};

// The scale for 32 weights in -8 … 7, of either sign: which level the largest weight falls on is tried,
// from beyond the ends, which cuts it and holds the many small weights better; each time the levels stay
// and the scale is fitted to them. The least squared error wins.
float int4_scale(const float* x) {
  const float end = extreme(x, kGroup);
  if (std::fabs(end) < 1e-30f) return 0.0f;
  const Floats xa = Floats::load(x), xb = Floats::load(x + kLanes);
  float best_gain = 0.0f, best = 0.0f;
  for (float place : {-6.5f, -7.0f, -7.5f, -8.0f, -8.5f, -9.0f, -9.5f, -10.0f, -10.5f, -11.0f, -12.0f,
                      6.5f, 7.0f, 7.5f, 8.0f, 9.0f}) {
    const Levels levels(xa, xb, place / end);
    const float product = levels.with(xa, xb), square = levels.square();
    if (square == 0.0f) continue;
    const float scale = from_bf16(to_bf16(product / square));
    // The squared error is the weights' own square less this.
    const float gain = scale * (2.0f * product - scale * square);
    if (gain > best_gain) {
      best_gain = gain;
      best = scale;
    }
  }
  return best;
}

// Where the four columns of `step` of a block's lane begin in an int8 block.
inline int64_t int8_place(int64_t col, int lane) { return col / 4 * 64 + lane * 4 + col % 4; }

// Byte and nibble of a column in an int4 block.
inline int64_t int4_place(int64_t col, int lane, bool& high) {
  const int64_t in_step = col % kColumnStep;
  high = in_step / 4 % 2 == 1;
  return col / kColumnStep * kInt4StepBytes + in_step / 8 * 64 + lane * 4 + col % 4;
}

inline int64_t int4_scale_place(int64_t col, int lane) {
  return col / kColumnStep * kInt4StepBytes + 512 + (col % kColumnStep) / kGroup * 32 + lane * 2;
}

void pack_int8_row(const float* row, int64_t padded, int lane, uint8_t* block, float* scale) {
  *scale = std::fabs(extreme(row, padded)) / 127.0f;
  const float inverse = *scale > 0.0f ? 1.0f / *scale : 0.0f;
  for (int64_t col = 0; col < padded; ++col) {
    const float level = clamped(std::nearbyint(row[col] * inverse), -127.0f, 127.0f);
    block[int8_place(col, lane)] = static_cast<uint8_t>(static_cast<int>(level) + kInt8Zero);
  }
}

void pack_int4_row(const float* row, int64_t padded, int lane, uint8_t* block) {
  for (int64_t start = 0; start < padded; start += kGroup) {
    const float scale = int4_scale(row + start);
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    const uint16_t stored = to_bf16(scale);
    std::memcpy(block + int4_scale_place(start, lane), &stored, sizeof stored);
    for (int64_t col = start; col < start + kGroup; ++col) {
      const float level = clamped(std::nearbyint(row[col] * inverse), -8.0f, 7.0f);
      const uint8_t nibble = static_cast<uint8_t>(static_cast<int>(level) + kInt4Zero);
      bool high = false;
      uint8_t& byte = block[int4_place(col, lane, high)];
      byte = static_cast<uint8_t>(high ? (byte & 15) | nibble << 4 : (byte & 240) | nibble);
    }
  }
}

}  // namespace

void pack(Pool& pool, const Matrix& from, int format, uint8_t* packed, float* scales) {
  const int64_t padded = round_up(from.cols, kColumnStep);
  const int64_t block_bytes = packed_block_bytes(format, from.cols);
  std::vector<float> rows(static_cast<size_t>(pool.threads() * padded));
  pool.run(static_cast<int>((from.rows + kBlockRows - 1) / kBlockRows), [&](int index, int thread) {
    float* row = rows.data() + thread * padded;
    uint8_t* block = packed + index * block_bytes;
    for (int lane = 0; lane < kBlockRows; ++lane) {
      const int64_t number = static_cast<int64_t>(index) * kBlockRows + lane;
      read_row(from, number, row, padded);
      if (format == PARLEY_INT8) {
        pack_int8_row(row, padded, lane, block, scales + number);
      } else {
        pack_int4_row(row, padded, lane, block);
      }
    }
  });
}

void unpack(Pool& pool, const Matrix& packed, float* out) {
  const int format = static_cast<int>(packed.format);
  const int64_t block_bytes = packed_block_bytes(format, packed.cols);
  const uint8_t* data = static_cast<const uint8_t*>(packed.data);
  pool.run(static_cast<int>((packed.rows + kBlockRows - 1) / kBlockRows), [&](int index, int) {
    const uint8_t* block = data + index * block_bytes;
    for (int lane = 0; lane < kBlockRows; ++lane) {
      const int64_t row = static_cast<int64_t>(index) * kBlockRows + lane;
      if (row >= packed.rows) return;
      for (int64_t col = 0; col < packed.cols; ++col) {
        float& to = out[row * packed.cols + col];
        if (format == PARLEY_INT8) {
          to = static_cast<float>(block[int8_place(col, lane)] - kInt8Zero) * packed.scales[row];
          continue;
        }
        bool high = false;
        const uint8_t byte = block[int4_place(col, lane, high)];
        uint16_t scale;
        std::memcpy(&scale, block + int4_scale_place(col, lane), sizeof scale);
        to = static_cast<float>((high ? byte >> 4 : byte & 15) - kInt4Zero) * from_bf16(scale);
      }
    }
  });
}

}  // namespace parley
