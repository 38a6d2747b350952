// CSM: embedding, backbone, and the depth decoder that turns one state into one frame of codes.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "pool.hpp"
#include "sampling.hpp"
#include "transformer.hpp"

namespace parley {

constexpr int kReadTokens = 64;  // positions that share one pass over the backbone's weights
constexpr int kEndCodes = 4;     // leading zeros that mean the end of the line (engine/csm/frame.py)
constexpr float kEndProbability = 0.5f;

class Engine {
 public:
  Engine(const ParleyModel& model, int threads);

  void read(const ParleyCache& cache, int64_t start, const int64_t* ids, int64_t texts,
            const int64_t* codes, int64_t frames, float* hidden);
  void read_branches(const ParleyCache& shared, int64_t start, const ParleyCache* own, int branches,
                     int64_t fed, const int64_t* codes, float* hidden);
  bool draw(const float* hidden, const ParleySampling& sampling, int64_t* codes);
  void draw_branches(const float* hidden, const ParleySampling& sampling, int branches,
                     int64_t* codes, int64_t* over, float* log_probability);
  void force(const float* hidden, const int64_t* codes, float* logits);

 private:
  // Runs the frames after `hidden` (rows, width). choose(row, codebook, logits) says which code each
  // codebook gets; rows may be asked at the same time.
  template <typename Choose>
  void frame(const float* hidden, int rows, bool alike, const Choose& choose);
  // Code of one codebook of the row whose codes so far are `codes`.
  int64_t pick(int row, int64_t k, const ParleySampling& sampling, const float* logits,
               const int64_t* codes);
  bool ends(const ParleySampling& sampling, const int64_t* codes) const;
  void embed_text(int64_t id, float* out) const;
  void embed_audio(const int64_t* codes, float* out) const;

  ParleyModel model_;
  std::vector<ParleyMatrix> heads_;
  Pool pool_;
  Transformer backbone_, depth_;
  std::vector<Sampler> samplers_;         // one for each row
  Workspace state_;                       // backbone or depth states, for the heads
  std::vector<float> x_, depth_x_, depth_state_, logits_;
  std::vector<float> depth_keys_, depth_values_;
  std::mutex busy_;                       // one call at a time: they share all of the above
};

}  // namespace parley
