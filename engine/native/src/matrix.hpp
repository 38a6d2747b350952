// Matrices in four number formats, and their product with the activations of one or more positions.
//
//   fp32, bf16   read in place, row after row, as PyTorch has them
//   int8         one scale per row; packed (below)
//   int4         one bf16 scale per row and 32 columns; packed
//
// Packed rows go in blocks of sixteen, columns in steps of four: sixty-four bytes are the weights that
// sixteen sums need next, so that one instruction advances sixteen rows and nothing is ever summed across
// lanes. Weights are stored unsigned (128 or 8 are added), as that instruction wants them; what this adds
// to a sum is known from the activations alone and is where the sum starts. Columns are padded to 64.
//
//   int8 block:  [columns / 4][16 rows][4 columns]
//   int4 block:  [columns / 64]{ [2 groups][4][16 rows][4 bytes], [2 groups][16 rows] bf16 scales }
//                of a byte's nibbles the low one belongs to four columns, the high one to the next four
//
// A block is one stream of memory from end to end, which is what bounds the speed: at one position every
// weight is used once.
#pragma once

#include <cstdint>

#include "parley_native.h"
#include "pool.hpp"

namespace parley {

constexpr int kBlockRows = 16;
constexpr int kGroup = 32;         // columns that share a scale, of activations and of int4 weights
constexpr int kColumnStep = 64;    // packed columns are padded to a multiple of this
constexpr int kInt8Zero = 128, kInt4Zero = 8;
constexpr int kInt4StepBytes = 576;  // sixteen rows of sixty-four columns: 512 of nibbles, 64 of scales

inline int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

using Matrix = ParleyMatrix;

// Bytes of sixteen packed rows, and of a whole packed matrix.
int64_t packed_block_bytes(int format, int64_t cols);
int64_t packed_bytes(int format, int64_t rows, int64_t cols);

// Quantises `rows` × `cols` numbers (fp32 or bf16, row-major) into `packed` and, for int8, `scales`
// (rows rounded up to sixteen). `unpack` is its inverse, to fp32.
void pack(Pool& pool, const Matrix& from, int format, uint8_t* packed, float* scales);
void unpack(Pool& pool, const Matrix& packed, float* out);

// Activations of some positions, with the copies that some matrices are multiplied with: for packed ones
// 8 bits, per 32 columns a scale and the sum of the bytes; for bf16 ones and many positions, bf16.
struct Activations {
  const float* x = nullptr;  // (tokens, cols)
  int tokens = 0;
  int64_t cols = 0;
  int64_t padded = 0;        // columns of `q`
  int8_t* q = nullptr;       // (tokens, padded)
  float* scales = nullptr;   // (tokens, padded / 32)
  int32_t* sums = nullptr;   // (tokens, padded / 32)
  uint16_t* halves = nullptr;  // (tokens, cols) in bf16
  // Whether what a position gets must not depend, to the last bit, on how many there are.
  bool alike = false;

  // Fills the 8-bit copy of columns [32 first, 32 (first + count)) of one position.
  void quantise(int token, int64_t first, int64_t count) const;
  void quantise(int token) const { quantise(token, 0, padded / kGroup); }
  // Fills the bf16 copy of columns [first, first + count) of one position.
  void round(int token, int64_t first, int64_t count) const;
  // Fills what a matrix of this format will be multiplied with, of some columns of one position.
  void prepare(int64_t format, int token, int64_t first, int64_t count) const;
  void prepare(int64_t format, int token) const { prepare(format, token, 0, cols); }
  // The last `count` positions alone.
  Activations last(int count) const;
};

// From how many positions on bf16 matrices are multiplied in bf16: the sum is bounded by memory below,
// where more exact activations cost nothing, and by arithmetic above. Positions that are to be alike are
// so at any number.
constexpr int kManyTokens = 6;

// One product: out[token, row] = (or +=) matrix[row] · x[token].
struct Product {
  const Matrix* matrix;
  float* out;
  int64_t stride;  // between the positions in `out`
  bool add;
};

// Some rows of a product; `first` and `count` are multiples of sixteen but at the matrix's end.
void multiply_rows(const Product& product, const Activations& in, int64_t first, int64_t count);

// Rows that make a chunk of work. Large ones stream better, small ones end together: so a quarter of a
// thread's share, up to 256 KiB.
int64_t chunk_rows(const Matrix& matrix, int threads);

// Products with the same input, side by side on all threads.
void multiply(Pool& pool, const Product* products, int count, const Activations& in);

}  // namespace parley
