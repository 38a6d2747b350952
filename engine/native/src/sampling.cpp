#include "sampling.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lanes.hpp"

namespace parley {

namespace {
constexpr float kNever = -std::numeric_limits<float>::infinity();
}

Sampler::Sampler(int64_t vocab, int64_t codes)
    : vocab_(vocab),
      codes_(codes),
      scaled_(static_cast<size_t>((vocab + kLanes - 1) / kLanes * kLanes), kNever),
      largest_(scaled_.size() / kLanes),
      weights_(static_cast<size_t>(vocab)) {
  candidates_.reserve(static_cast<size_t>(vocab));
}

int64_t Sampler::likeliest(const float* logits, bool forbid_zero) const {
  int64_t best = forbid_zero ? 1 : 0;
  for (int64_t id = best + 1; id < codes_; ++id) {
    if (logits[id] > logits[best]) best = id;
  }
  return best;
}

float Sampler::probability_of_zero(const float* logits) const {
  const float most = logits[likeliest(logits)];
  float sum = 0.0f;
  for (int64_t id = 0; id < codes_; ++id) sum += std::exp(logits[id] - most);
  return std::exp(logits[0] - most) / sum;
}

float Sampler::log_probability(const float* logits, int64_t id) const {
  float most = logits[0], rest = 0.0f;
  for (int64_t i = 1; i < vocab_; ++i) most = std::max(most, logits[i]);
  Floats sum = Floats::zero();
  const Floats largest = Floats::all(most);
  int64_t i = 0;
  for (; i + kLanes <= vocab_; i += kLanes) {
    sum = sum + exponential(Floats::load(logits + i) - largest);
  }
  for (; i < vocab_; ++i) rest += std::exp(logits[i] - most);
  return logits[id] - most - std::log(sum.sum() + rest);
}

// A number that at least `count` of the scaled logits reach: the count-th largest of the largest of each
// sixteen. It spares sorting all of them, and hardly more than `count` pass it.
float Sampler::lower_bound(int64_t count) {
  if (count > static_cast<int64_t>(largest_.size())) return kNever;
  for (size_t i = 0; i < largest_.size(); ++i) {
    largest_[i] = Floats::load(scaled_.data() + i * kLanes).most();
  }
  std::nth_element(largest_.begin(), largest_.begin() + (count - 1), largest_.end(),
                   [](float a, float b) { return a > b; });
  return largest_[static_cast<size_t>(count - 1)];
}

int64_t Sampler::draw(const float* logits, double temperature, int64_t top_k, int64_t count,
                      const float* noise, bool forbid_zero) {
  if (temperature <= 0.0) return likeliest(logits, forbid_zero);
  for (int64_t id = 0; id < codes_; ++id) {
    const float scaled = logits[id] / static_cast<float>(temperature);
    // What is no number (of damaged weights) has no order, and would make the sorting below read beyond
    // its arrays.
    scaled_[static_cast<size_t>(id)] = std::isnan(scaled) ? kNever : scaled;
  }
  if (forbid_zero) scaled_[0] = kNever;
  const float bound = lower_bound(count);
  candidates_.clear();
  for (int64_t id = 0; id < vocab_; ++id) {
    const float logit = scaled_[static_cast<size_t>(id)];
    if (logit >= bound) candidates_.push_back({logit, id});
  }
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  });
  const float floor = top_k > 0 && top_k < count ? candidates_[top_k - 1].logit : kNever;
  const float most = candidates_[0].logit;
  float sum = 0.0f;
  for (int64_t rank = 0; rank < count; ++rank) {
    const float logit = candidates_[rank].logit;
    weights_[rank] = logit < floor ? 0.0f : std::exp(logit - most);
    sum += weights_[rank];
  }
  int64_t best = 0;
  float best_ratio = -1.0f;
  for (int64_t rank = 0; rank < count; ++rank) {
    const float ratio = weights_[rank] / sum / noise[rank];
    if (ratio > best_ratio) {
      best_ratio = ratio;
      best = rank;
    }
  }
  return candidates_[best].id;
}

}  // namespace parley
