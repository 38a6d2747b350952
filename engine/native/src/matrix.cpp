#include "matrix.hpp"

#include <algorithm>
#include <type_traits>

#include "lanes.hpp"

namespace parley {

namespace {

// How much of a product is held in registers: 32 of sixteen lanes, or 16 of eight.
#if defined(PARLEY_AVX512)
constexpr int kRowsAtOnce = 4, kTokensAtOnce = 6, kPackedTokens = 8;
#else
constexpr int kRowsAtOnce = 2, kTokensAtOnce = 2, kPackedTokens = 2;
#endif
// How far in front of the sums memory is asked for, and with four bits a weight (measured).
constexpr int kAheadBytes = 8 * 1024, kInt4AheadBytes = 12 * 1024;
constexpr int kTileAheadBytes = 2048;  // the same in each of several rows that go side by side
constexpr int kFewTokens = 4;      // at which memory bounds several rows at once still

// Calls work(tile, token) for positions of which at most T go at once, a few sizes of tile in all.
template <int T, typename Work>
void in_tiles(int tokens, const Work& work, int token = 0) {
  for (; token + T <= tokens; token += T) work(std::integral_constant<int, T>(), token);
  constexpr int next = T > 4 ? 4 : T - 1;
  if constexpr (next > 0) {
    if (token < tokens) in_tiles<next>(tokens, work, token);
  }
}

inline void put(float* where, float value, bool add) { *where = add ? *where + value : value; }

// --- fp32 and bf16, in place ---------------------------------------------------------------------------

inline float wide(float cell) { return cell; }
inline float wide(uint16_t cell) { return from_bf16(cell); }

// What is multiplied at once: sixteen weights of any format with fp32 activations, thirty-two bf16
// weights with bf16 activations.
inline Floats load_step(const float* x, const float*) { return Floats::load(x); }
inline Floats load_step(const uint16_t* x, const float*) { return Floats::load(x); }
inline Pairs load_step(const uint16_t* x, const uint16_t*) { return Pairs::load(x); }

// One row with one position: the case that memory bounds. Four sums hide the latency of the additions.
template <typename Cell>
float dot_one(const Cell* row, const float* x, int64_t cols) {
  Floats sum[4] = {Floats::zero(), Floats::zero(), Floats::zero(), Floats::zero()};
  int64_t i = 0;
  for (; i + 4 * kLanes <= cols; i += 4 * kLanes) {
    for (size_t byte = 0; byte < 4 * kLanes * sizeof(Cell); byte += 64) {
      prefetch(reinterpret_cast<const char*>(row + i) + kAheadBytes + byte);
    }
    for (int j = 0; j < 4; ++j) {
      sum[j] = multiply_add(Floats::load(row + i + j * kLanes), Floats::load(x + i + j * kLanes),
                            sum[j]);
    }
  }
  for (; i + kLanes <= cols; i += kLanes) {
    sum[0] = multiply_add(Floats::load(row + i), Floats::load(x + i), sum[0]);
  }
  float rest = 0.0f;
  for (; i < cols; ++i) rest += wide(row[i]) * x[i];
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])).sum() + rest;
}

// One step of R rows with T positions: every weight and every activation that is loaded is used several
// times. Rows and positions are `rows_apart` and `x_apart` numbers apart.
template <int R, int T, typename Cell, typename X>
inline void tile_step(const Cell* rows, int64_t rows_apart, const X* x, int64_t x_apart,
                      Floats (&sum)[R][T]) {
  decltype(load_step(rows, x)) weights[R];
  for (int r = 0; r < R; ++r) weights[r] = load_step(rows + r * rows_apart, x);
  for (int t = 0; t < T; ++t) {
    const auto activation = load_step(x + t * x_apart, x);
    for (int r = 0; r < R; ++r) sum[r][t] = multiply_add(weights[r], activation, sum[r][t]);
  }
}

// R rows with T positions. What one of them gets does not depend on R and T, to the last bit.
template <int R, int T, typename Cell, typename X>
void dot_tile(const Cell* rows, const X* x, int64_t cols, const Product& product, int64_t row,
              int token) {
  constexpr int64_t kStep = sizeof(X) == sizeof(float) ? kLanes : 2 * kLanes;
  constexpr int64_t kAhead = kTileAheadBytes / sizeof(Cell);
  Floats sum[R][T];
  for (auto& line : sum) {
    for (Floats& one : line) one = Floats::zero();
  }
  int64_t i = 0;
  for (; i + kStep <= cols; i += kStep) {
    if (T > 1 && T <= kFewTokens) {  // beyond the end of these rows lie those of the next tile
      const int64_t next = i + kAhead < cols ? i + kAhead : i + kAhead + (R - 1) * cols;
      for (int r = 0; r < R; ++r) prefetch(rows + r * cols + next);
    }
    tile_step<R, T>(rows + i, cols, x + i, cols, sum);
  }
  if (i < cols) {  // the rest as one more step, filled up with zeros
    Cell last_rows[R * kStep] = {};
    X last_x[T * kStep] = {};
    for (int r = 0; r < R; ++r) std::copy(rows + r * cols + i, rows + (r + 1) * cols, last_rows + r * kStep);
    for (int t = 0; t < T; ++t) std::copy(x + t * cols + i, x + (t + 1) * cols, last_x + t * kStep);
    tile_step<R, T>(last_rows, kStep, last_x, kStep, sum);
  }
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) {
      put(product.out + (token + t) * product.stride + row + r, sum[r][t].sum(), product.add);
    }
  }
}

// All rows with T positions.
template <int T, typename Cell, typename X>
void multiply_tokens(const Product& product, const X* x, int64_t cols, int64_t first, int64_t count,
                     int token) {
  const Cell* data = static_cast<const Cell*>(product.matrix->data);
  int64_t row = first;
  for (; row + kRowsAtOnce <= first + count; row += kRowsAtOnce) {
    dot_tile<kRowsAtOnce, T>(data + row * cols, x, cols, product, row, token);
  }
  for (; row < first + count; ++row) dot_tile<1, T>(data + row * cols, x, cols, product, row, token);
}

template <typename Cell, typename X>
void multiply_block_of_rows(const Product& product, const X* x, const Activations& in, int64_t first,
                            int64_t count) {
  in_tiles<kTokensAtOnce>(in.tokens, [&](auto tile, int token) {
    multiply_tokens<decltype(tile)::value, Cell>(product, x + token * in.cols, in.cols, first, count, token);
  });
}

// Few rows at a time, so that they are still near when the next positions need them.
template <typename Cell, typename X>
void multiply_all_tokens(const Product& product, const X* x, const Activations& in, int64_t first,
                         int64_t count) {
  for (int64_t row = first; row < first + count; row += kBlockRows) {
    multiply_block_of_rows<Cell>(product, x, in, row,
                                 std::min<int64_t>(kBlockRows, first + count - row));
  }
}

inline bool in_halves(int64_t format, const Activations& in) {
  return kHasPairs && format == PARLEY_BF16 && (in.tokens >= kManyTokens || in.alike);
}

template <typename Cell>
void multiply_float_rows(const Product& product, const Activations& in, int64_t first,
                         int64_t count) {
  if (in.tokens > 1 || in.alike) return multiply_all_tokens<Cell>(product, in.x, in, first, count);
  const Cell* data = static_cast<const Cell*>(product.matrix->data);
  for (int64_t row = first; row < first + count; ++row) {
    put(product.out + row, dot_one(data + row * in.cols, in.x, in.cols), product.add);
  }
}

// --- int8 and int4, packed -----------------------------------------------------------------------------

inline int32_t four_at(const int8_t* q) {
  int32_t four;
  std::memcpy(&four, q, sizeof four);
  return four;
}

// What sixteen packed rows are in each format: how the 32 products of a group are added to sums that began
// with -kZero times the activations' sum, and what those sums then count.
struct Int8Rows {
  static constexpr int32_t kZero = kInt8Zero - kTakenOff;
  const uint8_t* weights;

  template <int T>
  void add(int64_t group, const int8_t* q, int64_t stride, Ints (&sum)[T]) const {
    const uint8_t* bytes = weights + group * kGroup * kBlockRows;
    for (int step = 0; step < kGroup; step += 4, bytes += 64) {
      prefetch(bytes + kAheadBytes);
      const Bytes w = Bytes::load(bytes);
      for (int t = 0; t < T; ++t) sum[t].dot(w, four_at(q + t * stride + step));
    }
  }
  Floats counting(int64_t, float scale) const { return Floats::all(scale); }  // a row's comes at the end
};

struct Int4Rows {
  static constexpr int32_t kZero = kInt4Zero;
  const uint8_t* weights;

  template <int T>
  void add(int64_t group, const int8_t* q, int64_t stride, Ints (&sum)[T]) const {
    const uint8_t* nibbles = step_of(group) + (group % 2) * 256;
    for (int step = 0; step < kGroup; step += 8, nibbles += 64) {
      prefetch(nibbles + kInt4AheadBytes);
      const Bytes both = Bytes::load(nibbles);
      const Bytes low = both.low_nibbles(), high = both.high_nibbles();
      for (int t = 0; t < T; ++t) {
        sum[t].dot_nibbles(low, four_at(q + t * stride + step));
        sum[t].dot_nibbles(high, four_at(q + t * stride + step + 4));
      }
    }
  }
  Floats counting(int64_t group, float scale) const {
    const uint8_t* stored = step_of(group) + 512 + (group % 2) * 32;
    return Floats::load(reinterpret_cast<const uint16_t*>(stored)) * Floats::all(scale);
  }
  const uint8_t* step_of(int64_t group) const { return weights + (group / 2) * kInt4StepBytes; }
};

// Sixteen rows with T positions, from position `token` on.
template <int T, typename Rows>
void dot_packed(const Rows& rows, const Activations& in, int token, Floats (&total)[T]) {
  const int64_t groups = in.padded / kGroup;
  const int8_t* q = in.q + token * in.padded;
  const float* scales = in.scales + token * groups;
  const int32_t* sums = in.sums + token * groups;
  for (Floats& one : total) one = Floats::zero();
  for (int64_t g = 0; g < groups; ++g) {
    Ints sum[T];
    for (int t = 0; t < T; ++t) sum[t] = Ints::all(-Rows::kZero * sums[t * groups + g]);
    rows.add(g, q + g * kGroup, in.padded, sum);
    for (int t = 0; t < T; ++t) {
      total[t] = multiply_add(sum[t].floats(), rows.counting(g, scales[t * groups + g]), total[t]);
    }
  }
}

template <int T>
void multiply_block(const Product& product, const Activations& in, int64_t row, int token) {
  const Matrix& matrix = *product.matrix;
  const int64_t block = packed_block_bytes(static_cast<int>(matrix.format), matrix.cols);
  const uint8_t* weights = static_cast<const uint8_t*>(matrix.data) + row / kBlockRows * block;
  Floats total[T];
  if (matrix.format == PARLEY_INT8) {
    dot_packed(Int8Rows{weights}, in, token, total);
    const Floats row_scales = Floats::load(matrix.scales + row);
    for (Floats& one : total) one = one * row_scales;
  } else {
    dot_packed(Int4Rows{weights}, in, token, total);
  }
  const int64_t count = matrix.rows - row < kBlockRows ? matrix.rows - row : kBlockRows;
  for (int t = 0; t < T; ++t) {
    float* out = product.out + (token + t) * product.stride + row;
    if (count == kBlockRows) {
      (product.add ? Floats::load(out) + total[t] : total[t]).store(out);
      continue;
    }
    float lanes[kBlockRows];
    total[t].store(lanes);
    for (int64_t i = 0; i < count; ++i) put(out + i, lanes[i], product.add);
  }
}

void multiply_packed_rows(const Product& product, const Activations& in, int64_t first,
                          int64_t count) {
  for (int64_t row = first; row < first + count; row += kBlockRows) {
    in_tiles<kPackedTokens>(in.tokens, [&](auto tile, int token) {
      multiply_block<decltype(tile)::value>(product, in, row, token);
    });
  }
}

}  // namespace

int64_t packed_block_bytes(int format, int64_t cols) {
  const int64_t padded = round_up(cols, kColumnStep);
  return format == PARLEY_INT8 ? padded * kBlockRows : padded / kColumnStep * kInt4StepBytes;
}

int64_t packed_bytes(int format, int64_t rows, int64_t cols) {
  return round_up(rows, kBlockRows) / kBlockRows * packed_block_bytes(format, cols);
}

void Activations::quantise(int token, int64_t first, int64_t count) const {
  const int64_t groups = padded / kGroup;
  const float* from = x + token * cols;
  for (int64_t g = first; g < first + count; ++g) {
    const int64_t start = g * kGroup, left = cols - start;
    float tail[kGroup] = {};
    const float* group = from + start;
    if (left < kGroup) {  // the padding's activations are zero
      for (int64_t i = 0; i < left; ++i) tail[i] = group[i];
      group = tail;
    }
    const Floats a = Floats::load(group), b = Floats::load(group + kLanes);
    const float most = max(magnitude(a), magnitude(b)).most();
    const Floats inverse = Floats::all(most > 1e-30f ? 127.0f / most : 0.0f);
    const Floats qa = nearest(a * inverse), qb = nearest(b * inverse);
    int8_t* to = q + token * padded + start;
    store_bytes(qa, to);
    store_bytes(qb, to + kLanes);
    scales[token * groups + g] = most / 127.0f;
    sums[token * groups + g] = static_cast<int32_t>((qa + qb).sum());
  }
}

void Activations::round(int token, int64_t first, int64_t count) const {
  const float* from = x + token * cols;
  uint16_t* to = halves + token * cols;
  for (int64_t i = first; i < first + count; ++i) to[i] = to_bf16(from[i]);
}

void Activations::prepare(int64_t format, int token, int64_t first, int64_t count) const {
  if (in_halves(format, *this)) return round(token, first, count);
  if (format != PARLEY_INT8 && format != PARLEY_INT4) return;
  const int64_t end = first + count == cols ? padded : first + count;
  quantise(token, first / kGroup, (end - first) / kGroup);
}

Activations Activations::last(int count) const {
  Activations out = *this;
  const int64_t groups = padded / kGroup, before = tokens - count;
  out.halves += before * cols;
  out.x += before * cols;
  out.q += before * padded;
  out.scales += before * groups;
  out.sums += before * groups;
  out.tokens = count;
  return out;
}

void multiply_rows(const Product& product, const Activations& in, int64_t first, int64_t count) {
  switch (product.matrix->format) {
    case PARLEY_FP32:
      return multiply_float_rows<float>(product, in, first, count);
    case PARLEY_BF16:
      if (!in_halves(PARLEY_BF16, in)) {
        return multiply_float_rows<uint16_t>(product, in, first, count);
      }
      return multiply_all_tokens<uint16_t>(product, in.halves, in, first, count);
    default:
      return multiply_packed_rows(product, in, first, count);
  }
}

int64_t chunk_rows(const Matrix& matrix, int threads) {
  constexpr int64_t kLeastBytes = 32 * 1024, kMostBytes = 256 * 1024, kShares = 4;
  static constexpr int64_t kHalfBytes[] = {8, 4, 2, 1};  // a weight's size, by format
  const int64_t row_bytes = matrix.cols * kHalfBytes[matrix.format] / 2 + 1;
  const int64_t share = matrix.rows * row_bytes / (kShares * threads);
  const int64_t bytes = std::min(std::max(share, kLeastBytes), kMostBytes);
  return kBlockRows * std::max<int64_t>(bytes / (row_bytes * kBlockRows), 1);
}

void multiply(Pool& pool, const Product* products, int count, const Activations& in) {
  int chunks = 0;
  for (int i = 0; i < count; ++i) {
    const int64_t step = chunk_rows(*products[i].matrix, pool.threads());
    chunks += static_cast<int>((products[i].matrix->rows + step - 1) / step);
  }
  pool.run(chunks, [&](int chunk, int) {
    const Product* product = products;
    while (true) {
      const int64_t rows = product->matrix->rows, step = chunk_rows(*product->matrix, pool.threads());
      const int here = static_cast<int>((rows + step - 1) / step);
      if (chunk < here) {
        const int64_t first = chunk * step;
        const int64_t most = rows - first;
        return multiply_rows(*product, in, first, step < most ? step : most);
      }
      chunk -= here;
      ++product;
    }
  });
}

}  // namespace parley
