// The C interface over the engine. Nothing is thrown across it.
#include <new>

#include "engine.hpp"
#include "lanes.hpp"
#include "matrix.hpp"

struct ParleyEngine {
  parley::Engine engine;
};

namespace {

int threads_of(int64_t wanted) { return static_cast<int>(wanted < 1 ? 1 : wanted); }

}  // namespace

const char* parley_kernels(void) { return parley::kKernels; }

int64_t parley_layout(int64_t which) {
  constexpr size_t sizes[] = {sizeof(ParleyModel), sizeof(ParleyLayer), sizeof(ParleyMatrix)};
  return which >= 0 && which < 3 ? static_cast<int64_t>(sizes[which]) : 0;
}

int64_t parley_packed_bytes(int64_t format, int64_t rows, int64_t cols) {
  return parley::packed_bytes(static_cast<int>(format), rows, cols);
}

int parley_pack(const ParleyMatrix* from, int64_t format, void* packed, float* scales,
                int64_t threads) {
  try {
    parley::Pool pool(threads_of(threads));
    parley::pack(pool, *from, static_cast<int>(format), static_cast<uint8_t*>(packed), scales);
    return PARLEY_OK;
  } catch (...) {
    return PARLEY_NO_MEMORY;
  }
}

int parley_unpack(const ParleyMatrix* packed, float* out, int64_t threads) {
  try {
    parley::Pool pool(threads_of(threads));
    parley::unpack(pool, *packed, out);
    return PARLEY_OK;
  } catch (...) {
    return PARLEY_NO_MEMORY;
  }
}

ParleyEngine* parley_create(const ParleyModel* model, int64_t threads) {
  try {
    return new ParleyEngine{parley::Engine(*model, threads_of(threads))};
  } catch (...) {
    return nullptr;
  }
}

void parley_destroy(ParleyEngine* engine) { delete engine; }

void parley_read(ParleyEngine* engine, const ParleyCache* cache, int64_t start, const int64_t* ids,
                 int64_t texts, const int64_t* codes, int64_t frames, float* hidden) {
  engine->engine.read(*cache, start, ids, texts, codes, frames, hidden);
}

void parley_read_branches(ParleyEngine* engine, const ParleyCache* shared, int64_t start,
                          const ParleyCache* own, int64_t branches, int64_t fed, const int64_t* codes,
                          float* hidden) {
  engine->engine.read_branches(*shared, start, own, static_cast<int>(branches), fed, codes, hidden);
}

void parley_draw_branches(ParleyEngine* engine, const float* hidden, const ParleySampling* sampling,
                          int64_t branches, int64_t* codes, int64_t* over, float* log_probability) {
  engine->engine.draw_branches(hidden, *sampling, static_cast<int>(branches), codes, over,
                               log_probability);
}

int parley_draw(ParleyEngine* engine, const float* hidden, const ParleySampling* sampling,
                int64_t* codes) {
  return engine->engine.draw(hidden, *sampling, codes) ? 1 : 0;
}

void parley_force(ParleyEngine* engine, const float* hidden, const int64_t* codes, float* logits) {
  engine->engine.force(hidden, codes, logits);
}
