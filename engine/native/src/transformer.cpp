#include "transformer.hpp"

#include <algorithm>
#include <cmath>

#include "attention.hpp"

namespace parley {

namespace {

constexpr int64_t kWorthWaking = 1 << 16;  // multiply-adds below which attention stays on one thread

// Turns one head by its position's angles, in place where `to` is `from`; pairs are (i, i + half).
void rotate(const float* from, const float* cos, const float* sin, int64_t dim, float scale,
            float* to) {
  const int64_t half = dim / 2;
  const Floats size = Floats::all(scale), zero = Floats::zero();
  int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const Floats a = Floats::load(from + i) * size, b = Floats::load(from + i + half) * size;
    const Floats c = Floats::load(cos + i), s = Floats::load(sin + i);
    multiply_add(a, c, zero - b * s).store(to + i);
    multiply_add(b, c, a * s).store(to + i + half);
  }
  for (; i < half; ++i) {
    const float a = from[i] * scale, b = from[i + half] * scale;
    to[i] = a * cos[i] - b * sin[i];
    to[i + half] = b * cos[i] + a * sin[i];
  }
}

template <typename Cell>
void store_head(const float* from, int64_t dim, Cell* to) {
  for (int64_t i = 0; i < dim; ++i) store_cell(to + i, from[i]);
}

// gate = silu(gate) * up
void gate_with(float* gate, const float* up, int64_t count) {
  const Floats one = Floats::all(1.0f), zero = Floats::zero();
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Floats g = Floats::load(gate + i);
    (g / (one + exponential(zero - g)) * Floats::load(up + i)).store(gate + i);
  }
  for (; i < count; ++i) gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

int64_t widest(const ParleyTransformer& sizes) {
  return std::max({sizes.width, sizes.heads * sizes.head_dim, sizes.ffn});
}

}  // namespace

Workspace::Workspace(int tokens, int64_t cols)
    : x_(static_cast<size_t>(tokens * cols)),
      scales_(static_cast<size_t>(tokens * round_up(cols, kColumnStep) / kGroup)),
      q_(static_cast<size_t>(tokens * round_up(cols, kColumnStep))),
      sums_(scales_.size()),
      halves_(x_.size()) {}

Activations Workspace::view(int tokens, int64_t cols, bool alike, const float* elsewhere) {
  Activations out;
  out.x = elsewhere != nullptr ? elsewhere : x_.data();
  out.tokens = tokens;
  out.cols = cols;
  out.padded = round_up(cols, kColumnStep);
  out.q = q_.data();
  out.scales = scales_.data();
  out.sums = sums_.data();
  out.halves = halves_.data();
  out.alike = alike;
  return out;
}

Transformer::Transformer(const ParleyTransformer& sizes, Pool& pool, int tokens)
    : sizes_(sizes),
      layers_(sizes.layer, sizes.layer + sizes.layers),
      pool_(pool),
      normed_(tokens, sizes.width),
      attended_(tokens, sizes.heads * sizes.head_dim),
      inner_(tokens, widest(sizes)) {
  const auto room = [tokens](int64_t per_token) { return static_cast<size_t>(tokens * per_token); };
  q_.resize(room(sizes.heads * sizes.head_dim));
  k_.resize(room(sizes.kv_heads * sizes.head_dim));
  v_.resize(k_.size());
  up_.resize(room(sizes.ffn));
  turned_.resize(room(sizes.heads * padded_head(sizes.head_dim)));
  const int64_t group = sizes.heads / sizes.kv_heads;
  const int64_t per_thread = group * (sizes.positions + padded_head(sizes.head_dim));
  scores_.resize(static_cast<size_t>(pool.threads() * per_thread));
}

template <typename Work>
void Transformer::each(int items, bool worth, const Work& work) {
  if (worth) return pool_.run(items, work);
  for (int item = 0; item < items; ++item) work(item, 0);
}

void Transformer::forward(float* x, int tokens, const Places& places, float* hidden) {
  for (int index = 0; index < static_cast<int>(layers_.size()); ++index) {
    // Behind the last layer's keys and values only the last positions are wanted, if any.
    const bool last_layer = index + 1 == static_cast<int>(layers_.size());
    attention(layers_[index], index, x, tokens, places, last_layer);
    if (last_layer && hidden == nullptr) return;
    if (last_layer) {
      x += (tokens - places.rows) * sizes_.width;
      tokens = places.rows;
    }
    mlp(layers_[index], x, tokens, places.alike);
  }
  normalise(x, sizes_.final_norm, places.rows, hidden);
}

void Transformer::normalise(const float* x, const float* scale, int tokens, float* out) const {
  const int64_t width = sizes_.width;
  for (int token = 0; token < tokens; ++token, x += width, out += width) {
    Floats squares[2] = {Floats::zero(), Floats::zero()};
    int64_t i = 0;
    for (; i + 2 * kLanes <= width; i += 2 * kLanes) {
      for (int j = 0; j < 2; ++j) {
        const Floats piece = Floats::load(x + i + j * kLanes);
        squares[j] = multiply_add(piece, piece, squares[j]);
      }
    }
    float sum = (squares[0] + squares[1]).sum();
    for (; i < width; ++i) sum += x[i] * x[i];
    const float mean = sum / static_cast<float>(width);
    const float shrink = 1.0f / std::sqrt(mean + static_cast<float>(sizes_.norm_eps));
    for (i = 0; i < width; ++i) out[i] = x[i] * shrink * scale[i];
  }
}

Activations Transformer::prepared(Workspace& space, int tokens, int64_t cols, const Matrix& matrix,
                                  bool alike) {
  const Activations view = space.view(tokens, cols, alike);
  each(tokens, tokens > 4, [&](int token, int) { view.prepare(matrix.format, token); });
  return view;
}

void Transformer::attention(const ParleyLayer& layer, int index, float* x, int tokens,
                            const Places& places, bool last_alone) {
  const int64_t width = sizes_.width, inner = sizes_.heads * sizes_.head_dim;
  const int64_t inner_kv = sizes_.kv_heads * sizes_.head_dim;
  each(tokens, tokens > 4, [&](int token, int) {
    normalise(x + token * width, layer.attention_norm, 1, normed_.x() + token * width);
  });
  const Activations in = prepared(normed_, tokens, width, layer.q, places.alike);
  const Product products[] = {{&layer.q, q_.data(), inner, false},
                              {&layer.k, k_.data(), inner_kv, false},
                              {&layer.v, v_.data(), inner_kv, false}};
  multiply(pool_, products, 3, in);
  rotate_and_store(index, tokens, places);
  attend_all(index, tokens, places);
  Activations out = attended_.view(tokens, inner, places.alike);
  if (last_alone) {
    out = out.last(places.rows);
    x += (tokens - places.rows) * width;
  }
  each(out.tokens, out.tokens > 4, [&](int token, int) { out.prepare(layer.o.format, token); });
  const Product back = {&layer.o, x, width, true};
  multiply(pool_, &back, 1, out);
}

void Transformer::rotate_and_store(int index, int tokens, const Places& places) {
  const int64_t dim = sizes_.head_dim, padded = padded_head(dim);
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  each(tokens, tokens > 4, [&](int token, int) {
    const ParleyCache& cache = places.cache(token);
    const int64_t position = places.position(token);
    const float *cos = sizes_.cos + position * dim, *sin = sizes_.sin + position * dim;
    for (int64_t head = 0; head < sizes_.heads; ++head) {
      const int64_t at = token * sizes_.heads + head;
      rotate(q_.data() + at * dim, cos, sin, dim, scale, turned_.data() + at * padded);
    }
    for (int64_t head = 0; head < sizes_.kv_heads; ++head) {
      float* key = k_.data() + (token * sizes_.kv_heads + head) * dim;
      const float* value = v_.data() + (token * sizes_.kv_heads + head) * dim;
      rotate(key, cos, sin, dim, 1.0f, key);
      const int64_t row = (index * sizes_.kv_heads + head) * cache.capacity + places.at(token);
      if (cache.format == PARLEY_BF16) {
        store_head(key, dim, static_cast<uint16_t*>(cache.keys) + row * padded);
        store_head(value, dim, static_cast<uint16_t*>(cache.values) + row * padded);
      } else {
        store_head(key, dim, static_cast<float*>(cache.keys) + row * padded);
        store_head(value, dim, static_cast<float*>(cache.values) + row * padded);
      }
    }
  });
}

namespace {

// The first `count` positions of one head; `row` counts the heads of all layers.
template <typename Cell>
Span<Cell> span_of(const ParleyCache& cache, int64_t row, int64_t count, int64_t padded) {
  const int64_t from = row * cache.capacity * padded;
  return {static_cast<const Cell*>(cache.keys) + from, static_cast<const Cell*>(cache.values) + from,
          count};
}

// The query heads of one key-value head, four, two or one at a time.
template <typename Cell>
void attend_group(const float* queries, int64_t group, const Places& places, int64_t token,
                  int64_t row, int64_t padded, float* scores, int64_t stride, float* out) {
  Span<Cell> spans[2] = {{nullptr, nullptr, 0},
                         span_of<Cell>(places.cache(token), row, places.at(token) + 1, padded)};
  if (places.before > 0) spans[0] = span_of<Cell>(*places.shared, row, places.before, padded);
  int64_t g = 0;
  for (; g + 4 <= group; g += 4) {
    attend<4>(queries + g * padded, spans, padded, scores, stride, out + g * padded);
  }
  for (; g + 2 <= group; g += 2) {
    attend<2>(queries + g * padded, spans, padded, scores, stride, out + g * padded);
  }
  for (; g < group; ++g) {
    attend<1>(queries + g * padded, spans, padded, scores, stride, out + g * padded);
  }
}

}  // namespace

void Transformer::attend_all(int index, int tokens, const Places& places) {
  const int64_t dim = sizes_.head_dim, padded = padded_head(dim), kv_heads = sizes_.kv_heads;
  const int64_t group = sizes_.heads / kv_heads;
  const int64_t per_thread = group * (sizes_.positions + padded);
  const int64_t work = tokens * (places.position(tokens - 1) + 1) * sizes_.heads * dim;
  each(static_cast<int>(tokens * kv_heads), work > kWorthWaking, [&](int item, int thread) {
    const int64_t token = item / kv_heads, head = item % kv_heads, row = index * kv_heads + head;
    const int64_t first = token * sizes_.heads + head * group;
    const float* queries = turned_.data() + first * padded;
    float* scores = scores_.data() + thread * per_thread;
    float* out = scores + group * sizes_.positions;
    if (places.own->format == PARLEY_BF16) {
      attend_group<uint16_t>(queries, group, places, token, row, padded, scores, sizes_.positions,
                             out);
    } else {
      attend_group<float>(queries, group, places, token, row, padded, scores, sizes_.positions, out);
    }
    for (int64_t g = 0; g < group; ++g) {
      std::copy_n(out + g * padded, dim, attended_.x() + (first + g) * dim);
    }
  });
}

void Transformer::mlp(const ParleyLayer& layer, float* x, int tokens, bool alike) {
  const int64_t width = sizes_.width, ffn = sizes_.ffn;
  each(tokens, tokens > 4, [&](int token, int) {
    normalise(x + token * width, layer.mlp_norm, 1, normed_.x() + token * width);
  });
  const Activations in = prepared(normed_, tokens, width, layer.gate, alike);
  const Activations inner = inner_.view(tokens, ffn, alike);
  const Product gate = {&layer.gate, inner_.x(), ffn, false}, up = {&layer.up, up_.data(), ffn, false};
  // Whole groups of 32, so that a chunk can quantise what it made.
  const int64_t step = round_up(chunk_rows(layer.gate, pool_.threads()), kGroup);
  pool_.run(static_cast<int>((ffn + step - 1) / step), [&](int chunk, int) {
    const int64_t first = chunk * step, count = std::min(step, ffn - first);
    multiply_rows(gate, in, first, count);
    multiply_rows(up, in, first, count);
    for (int token = 0; token < tokens; ++token) {
      const int64_t at = token * ffn + first;
      gate_with(inner_.x() + at, up_.data() + at, count);
      inner.prepare(layer.down.format, token, first, count);
    }
  });
  const Product down = {&layer.down, x, width, true};
  multiply(pool_, &down, 1, inner);
}

}  // namespace parley
