// A stack of Llama blocks: some positions in, the last one's state out, keys and values into a cache.
#pragma once

#include <cstdint>
#include <vector>

#include "lanes.hpp"
#include "matrix.hpp"
#include "pool.hpp"

namespace parley {

// Heads are padded to whole vectors in the cache; the padding is zero.
inline int64_t padded_head(int64_t head_dim) { return round_up(head_dim, kLanes); }

// Memory for activations and their copies; taken once.
class Workspace {
 public:
  Workspace(int tokens, int64_t cols);
  float* x() { return x_.data(); }
  // A view of `tokens` × `cols` numbers, which x() holds or `elsewhere` points to; not prepared yet.
  Activations view(int tokens, int64_t cols, const float* elsewhere = nullptr);

 private:
  std::vector<float> x_, scales_;
  std::vector<int8_t> q_;
  std::vector<int32_t> sums_;
  std::vector<uint16_t> halves_;
};

class Transformer {
 public:
  // At most `tokens` positions go through at once.
  Transformer(const ParleyTransformer& sizes, Pool& pool, int tokens);

  // Takes x (tokens, width), which is overwritten, through all layers, as positions from `start` on.
  // `hidden` (width,), where not null, gets the last position's state after the final norm.
  void forward(float* x, int tokens, int64_t start, const ParleyCache& cache, float* hidden);

 private:
  void attention(const ParleyLayer& layer, int index, float* x, int tokens, int64_t start,
                 const ParleyCache& cache, bool last_alone);
  void rotate_and_store(int index, int tokens, int64_t start, const ParleyCache& cache);
  void attend_all(int index, int tokens, int64_t start, const ParleyCache& cache);
  void mlp(const ParleyLayer& layer, float* x, int tokens);
  void normalise(const float* x, const float* scale, int tokens, float* out) const;
  Activations prepared(Workspace& space, int tokens, int64_t cols, const Matrix& matrix);
  // One chunk per item on all threads where it is worth waking them, else here.
  template <typename Work>
  void each(int items, bool worth, const Work& work);

  ParleyTransformer sizes_;
  std::vector<ParleyLayer> layers_;
  Pool& pool_;
  Workspace normed_, attended_, inner_;
  std::vector<float> q_, k_, v_, up_, turned_, scores_;
};

}  // namespace parley
