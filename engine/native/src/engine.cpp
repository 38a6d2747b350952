#include "engine.hpp"

#include <algorithm>

namespace parley {

namespace {

constexpr int kRows = PARLEY_MOST_BRANCHES;

// out = (or +=) a row of an embedding table.
void take_row(const Matrix& table, int64_t row, bool add, float* out) {
  const int64_t cols = table.cols;
  const float* wide = static_cast<const float*>(table.data) + row * cols;
  const uint16_t* narrow = static_cast<const uint16_t*>(table.data) + row * cols;
  for (int64_t i = 0; i < cols; ++i) {
    const float value = table.format == PARLEY_BF16 ? from_bf16(narrow[i]) : wide[i];
    out[i] = add ? out[i] + value : value;
  }
}

size_t depth_cells(const ParleyTransformer& depth) {
  return static_cast<size_t>(depth.layers * depth.kv_heads * depth.positions *
                             padded_head(depth.head_dim));
}

}  // namespace

Engine::Engine(const ParleyModel& model, int threads)
    : model_(model),
      heads_(model.heads, model.heads + model.codebooks - 1),
      pool_(threads),
      backbone_(model.backbone, pool_, kReadTokens),
      depth_(model.depth, pool_, 2 * kRows),
      samplers_(kRows, Sampler(model.audio_vocab, model.codec_codes)),
      state_(kRows, std::max(model.backbone.width, model.depth.width)),
      x_(static_cast<size_t>(kReadTokens * model.backbone.width)),
      depth_x_(static_cast<size_t>(2 * kRows * model.depth.width)),
      depth_state_(static_cast<size_t>(kRows * model.depth.width)),
      logits_(static_cast<size_t>(kRows * model.audio_vocab)),
      depth_keys_(kRows * depth_cells(model.depth)),
      depth_values_(depth_keys_.size()) {}

void Engine::embed_text(int64_t id, float* out) const {
  take_row(model_.text_embedding, id, false, out);
}

void Engine::embed_audio(const int64_t* codes, float* out) const {
  for (int64_t k = 0; k < model_.codebooks; ++k) {
    take_row(model_.audio_embedding, k * model_.audio_vocab + codes[k], k > 0, out);
  }
}

void Engine::read(const ParleyCache& cache, int64_t start, const int64_t* ids, int64_t texts,
                  const int64_t* codes, int64_t frames, float* hidden) {
  const std::lock_guard<std::mutex> lock(busy_);
  const int64_t total = texts + frames, width = model_.backbone.width;
  for (int64_t done = 0; done < total; done += kReadTokens) {
    const int tokens = static_cast<int>(std::min<int64_t>(kReadTokens, total - done));
    for (int token = 0; token < tokens; ++token) {
      const int64_t at = done + token;
      float* row = x_.data() + token * width;
      if (at < texts) {
        embed_text(ids[at], row);
      } else {
        embed_audio(codes + (at - texts) * model_.codebooks, row);
      }
    }
    const bool last = done + tokens == total;
    const Places places = {&cache, 1, start + done, nullptr, 0, false};
    backbone_.forward(x_.data(), tokens, places, last ? hidden : nullptr);
  }
}

void Engine::read_branches(const ParleyCache& shared, int64_t start, const ParleyCache* own,
                           int branches, int64_t fed, const int64_t* codes, float* hidden) {
  const std::lock_guard<std::mutex> lock(busy_);
  for (int row = 0; row < branches; ++row) {
    embed_audio(codes + row * model_.codebooks, x_.data() + row * model_.backbone.width);
  }
  const Places places = {own, branches, fed, &shared, start, true};
  backbone_.forward(x_.data(), branches, places, hidden);
}

template <typename Choose>
void Engine::frame(const float* hidden, int rows, bool alike, const Choose& choose) {
  const int64_t width = model_.depth.width, vocab = model_.audio_vocab;
  const size_t cells = depth_cells(model_.depth);
  ParleyCache caches[kRows];
  for (int row = 0; row < rows; ++row) {
    caches[row] = {PARLEY_FP32, model_.depth.positions, depth_keys_.data() + row * cells,
                   depth_values_.data() + row * cells};
  }
  const auto states = [&](const float* x, int64_t cols, const Matrix& matrix) {
    const Activations view = state_.view(rows, cols, alike, x);
    for (int row = 0; row < rows; ++row) view.prepare(matrix.format, row);
    return view;
  };
  // Draws code k of every row; its embedding goes behind the first `after` rows of what is read next.
  const auto choose_all = [&](int64_t k, int after) {
    const auto one = [&](int row, int) {
      const int64_t code = choose(row, k, logits_.data() + row * vocab);
      if (k + 1 == model_.codebooks) return;
      take_row(model_.depth_embedding, k * vocab + code, false,
               depth_x_.data() + (after + row) * width);
    };
    if (rows > 1) return pool_.run(rows, one);
    one(0, 0);
  };
  const Product first[] = {{&model_.head0, logits_.data(), vocab, false},
                           {&model_.projection, depth_x_.data(), width, false}};
  multiply(pool_, first, 2, states(hidden, model_.backbone.width, model_.head0));
  choose_all(0, rows);
  // Position 0 holds the backbone's state; it goes through together with code 0, in one pass over the
  // weights, and nothing of it is computed that only its own output would need.
  for (int64_t k = 1; k < model_.codebooks; ++k) {
    const Places places = {caches, rows, k == 1 ? 0 : k, nullptr, 0, alike};
    depth_.forward(depth_x_.data(), k == 1 ? 2 * rows : rows, places, depth_state_.data());
    const Product head = {&heads_[k - 1], logits_.data(), vocab, false};
    multiply(pool_, &head, 1, states(depth_state_.data(), width, heads_[k - 1]));
    choose_all(k, 0);
  }
}

int64_t Engine::pick(int row, int64_t k, const ParleySampling& sampling, const float* logits,
                     const int64_t* codes) {
  Sampler& sampler = samplers_[row];
  const float* noise = sampling.noise + (row * model_.codebooks + k) * sampling.candidates;
  const bool may_end = sampling.may_end != 0;
  if (k > 0) {
    const double temperature = may_end && codes[0] == 0 ? 0.0 : sampling.depth_temperature;
    return sampler.draw(logits, temperature, sampling.top_k, sampling.candidates, noise);
  }
  if (may_end && sampler.probability_of_zero(logits) > kEndProbability) return 0;
  return sampler.draw(logits, sampling.temperature, sampling.top_k, sampling.candidates, noise,
                      !may_end);
}

bool Engine::ends(const ParleySampling& sampling, const int64_t* codes) const {
  const int64_t leading = std::min<int64_t>(kEndCodes, model_.codebooks);
  return sampling.may_end != 0 &&
         std::all_of(codes, codes + leading, [](int64_t code) { return code == 0; });
}

bool Engine::draw(const float* hidden, const ParleySampling& sampling, int64_t* codes) {
  const std::lock_guard<std::mutex> lock(busy_);
  frame(hidden, 1, false, [&](int row, int64_t k, const float* logits) {
    return codes[k] = pick(row, k, sampling, logits, codes);
  });
  return ends(sampling, codes);
}

void Engine::draw_branches(const float* hidden, const ParleySampling& sampling, int branches,
                           int64_t* codes, int64_t* over, float* log_probability) {
  const std::lock_guard<std::mutex> lock(busy_);
  const int64_t books = model_.codebooks;
  frame(hidden, branches, true, [&](int row, int64_t k, const float* logits) {
    int64_t* its = codes + row * books;
    its[k] = pick(row, k, sampling, logits, its);
    log_probability[row * books + k] = samplers_[row].log_probability(logits, its[k]);
    return its[k];
  });
  for (int row = 0; row < branches; ++row) over[row] = ends(sampling, codes + row * books) ? 1 : 0;
}

void Engine::force(const float* hidden, const int64_t* codes, float* logits) {
  const std::lock_guard<std::mutex> lock(busy_);
  frame(hidden, 1, false, [&](int, int64_t k, const float* from) {
    std::copy_n(from, model_.audio_vocab, logits + k * model_.audio_vocab);
    return codes[k];
  });
}

}  // namespace parley
