#include "engine.hpp"

#include <algorithm>

namespace parley {

namespace {

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
      depth_(model.depth, pool_, 2),
      sampler_(model.audio_vocab, model.codec_codes),
      state_(1, std::max(model.backbone.width, model.depth.width)),
      x_(static_cast<size_t>(kReadTokens * model.backbone.width)),
      depth_x_(static_cast<size_t>(2 * model.depth.width)),
      depth_state_(static_cast<size_t>(model.depth.width)),
      logits_(static_cast<size_t>(model.audio_vocab)),
      depth_keys_(depth_cells(model.depth)),
      depth_values_(depth_cells(model.depth)) {}

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
    backbone_.forward(x_.data(), tokens, start + done, cache, last ? hidden : nullptr);
  }
}

template <typename Choose>
void Engine::frame(const float* hidden, const Choose& choose) {
  const int64_t width = model_.depth.width;
  const ParleyCache cache = {PARLEY_FP32, model_.depth.positions, depth_keys_.data(),
                             depth_values_.data()};
  const auto state = [&](const float* x, int64_t cols, const Matrix& matrix) {
    const Activations view = state_.view(1, cols, x);
    view.prepare(matrix.format, 0);
    return view;
  };
  const Product first[] = {{&model_.head0, logits_.data(), model_.audio_vocab, false},
                           {&model_.projection, depth_x_.data(), width, false}};
  multiply(pool_, first, 2, state(hidden, model_.backbone.width, model_.head0));
  int64_t code = choose(0, logits_.data());
  if (model_.codebooks == 1) return;
  // Position 0 holds the backbone's state; it goes through together with code 0, in one pass over the
  // weights, and nothing of it is computed that only its own output would need.
  take_row(model_.depth_embedding, code, false, depth_x_.data() + width);
  depth_.forward(depth_x_.data(), 2, 0, cache, depth_state_.data());
  for (int64_t k = 1; k < model_.codebooks; ++k) {
    const Product head = {&heads_[k - 1], logits_.data(), model_.audio_vocab, false};
    multiply(pool_, &head, 1, state(depth_state_.data(), width, heads_[k - 1]));
    code = choose(k, logits_.data());
    if (k + 1 == model_.codebooks) return;
    take_row(model_.depth_embedding, k * model_.audio_vocab + code, false, depth_x_.data());
    depth_.forward(depth_x_.data(), 1, k + 1, cache, depth_state_.data());
  }
}

bool Engine::draw(const float* hidden, const ParleySampling& sampling, int64_t* codes) {
  const std::lock_guard<std::mutex> lock(busy_);
  const bool may_end = sampling.may_end != 0;
  bool ending = false;
  frame(hidden, [&](int64_t k, const float* logits) {
    const float* noise = sampling.noise + k * sampling.candidates;
    if (k > 0) {
      const double temperature = ending ? 0.0 : sampling.depth_temperature;
      return codes[k] = sampler_.draw(logits, temperature, sampling.top_k, sampling.candidates, noise);
    }
    codes[0] = sampler_.draw(logits, sampling.temperature, sampling.top_k, sampling.candidates, noise,
                             !may_end);
    if (may_end && sampler_.probability_of_zero(logits) > kEndProbability) codes[0] = 0;
    ending = may_end && codes[0] == 0;
    return codes[0];
  });
  const int64_t leading = std::min<int64_t>(kEndCodes, model_.codebooks);
  return ending && std::all_of(codes, codes + leading, [](int64_t code) { return code == 0; });
}

void Engine::force(const float* hidden, const int64_t* codes, float* logits) {
  const std::lock_guard<std::mutex> lock(busy_);
  frame(hidden, [&](int64_t k, const float* from) {
    std::copy_n(from, model_.audio_vocab, logits + k * model_.audio_vocab);
    return codes[k];
  });
}

}  // namespace parley
