// Drawing a code from logits, as engine/csm/sampling.py and engine/csm/frame.py have it.
#pragma once

#include <cstdint>
#include <vector>

namespace parley {

class Sampler {
 public:
  // For `vocab` logits, of which the first `codes` are codes of the codec.
  Sampler(int64_t vocab, int64_t codes);

  int64_t likeliest(const float* logits, bool forbid_zero = false) const;

  // Divides by the temperature, keeps the `top_k` likeliest (all where it is 0 or less; ties kept) and
  // takes the largest of probability over noise. The noise goes by rank, the likeliest first; only
  // `candidates` ids are looked at. A temperature of 0 or less takes the likeliest.
  int64_t draw(const float* logits, double temperature, int64_t top_k, int64_t candidates,
               const float* noise, bool forbid_zero = false);

  // The probability of code 0 among all codes.
  float probability_of_zero(const float* logits) const;

  // The logarithm of an id's probability among all ids, those that are no codes included.
  float log_probability(const float* logits, int64_t id) const;

 private:
  struct Candidate {
    float logit;
    int64_t id;
  };
  float lower_bound(int64_t count);

  int64_t vocab_, codes_;
  std::vector<float> scaled_, largest_, weights_;
  std::vector<Candidate> candidates_;
};

}  // namespace parley
