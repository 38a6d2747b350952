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
  Activations view(int tokens, int64_t cols, bool alike, const float* elsewhere = nullptr);

 private:
  std::vector<float> x_, scales_;
  std::vector<int8_t> q_;
  std::vector<int32_t> sums_;
  std::vector<uint16_t> halves_;
};

// Where tokens stand. They belong to `rows` branches in turn, each of which has a cache of its own and
// goes on at `next` of it; in front of it are the positions that all of them share, if any.
struct Places {
  const ParleyCache* own;  // (rows,)
  int rows;
  int64_t next;
  const ParleyCache* shared;
  int64_t before;          // positions that are shared
  bool alike;              // see Activations

  const ParleyCache& cache(int64_t token) const { return own[token % rows]; }
  int64_t at(int64_t token) const { return next + token / rows; }
  int64_t position(int64_t token) const { return before + at(token); }
};

class Transformer {
 public:
  // At most `tokens` positions go through at once.
  Transformer(const ParleyTransformer& sizes, Pool& pool, int tokens);

  // Takes x (tokens, width), which is overwritten, through all layers. `hidden` (rows, width), where not
  // null, gets the state of every branch's last token after the final norm.
  void forward(float* x, int tokens, const Places& places, float* hidden);

 private:
  void attention(const ParleyLayer& layer, int index, float* x, int tokens, const Places& places,
                 bool last_alone);
  void rotate_and_store(int index, int tokens, const Places& places);
  void attend_all(int index, int tokens, const Places& places);
  void mlp(const ParleyLayer& layer, float* x, int tokens, bool alike);
  void normalise(const float* x, const float* scale, int tokens, float* out) const;
  Activations prepared(Workspace& space, int tokens, int64_t cols, const Matrix& matrix, bool alike);
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
