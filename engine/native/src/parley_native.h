/* The C interface of the native CPU engine: what engine/native/library.py calls.
 *
 * All memory is the caller's and must outlive the model; nothing is copied but this description. Sizes
 * and ids are checked by the caller. An engine may be called from several threads: calls take turns.
 */
#ifndef PARLEY_NATIVE_H
#define PARLEY_NATIVE_H

#include <stdint.h>

#if defined(_WIN32)
#define PARLEY_API __declspec(dllexport)
#else
#define PARLEY_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum { PARLEY_MOST_BRANCHES = 4 };
enum { PARLEY_OK = 0, PARLEY_NO_MEMORY = 1 };
enum { PARLEY_FP32 = 0, PARLEY_BF16 = 1, PARLEY_INT8 = 2, PARLEY_INT4 = 3 };

/* rows × cols; see matrix.hpp for the packed layouts. `scales` is for int8 alone. */
typedef struct {
  int64_t format, rows, cols;
  const void* data;
  const float* scales;
} ParleyMatrix;

typedef struct {
  const float* attention_norm; /* (width,) */
  const float* mlp_norm;       /* (width,) */
  ParleyMatrix q, k, v, o, gate, up, down;
} ParleyLayer;

typedef struct {
  int64_t layers, width, heads, kv_heads, head_dim, ffn, positions;
  double norm_eps;
  const float* final_norm;   /* (width,) */
  const float *cos, *sin;    /* (positions, head_dim), halves repeated */
  const ParleyLayer* layer;
} ParleyTransformer;

typedef struct {
  ParleyTransformer backbone, depth;
  ParleyMatrix text_embedding;   /* fp32 or bf16 */
  ParleyMatrix audio_embedding;  /* fp32 or bf16; row = codebook * audio_vocab + code */
  ParleyMatrix depth_embedding;  /* the same rows through the projection: what the depth decoder reads */
  ParleyMatrix projection;       /* backbone state → depth width */
  ParleyMatrix head0;            /* codebook 0 */
  const ParleyMatrix* heads;     /* codebooks 1 … K-1 */
  int64_t codebooks, audio_vocab, codec_codes;
} ParleyModel;

/* Keys and values of one conversation, (layers, kv_heads, capacity, head_dim), fp32 or bf16. */
typedef struct {
  int64_t format, capacity;
  void *keys, *values;
} ParleyCache;

typedef struct {
  double temperature, depth_temperature;
  int64_t top_k, candidates;
  const float* noise; /* (codebooks, candidates), by rank */
  int64_t may_end;
} ParleySampling;

typedef struct ParleyEngine ParleyEngine;

/* "avx512", "avx2", "avx2-vnni", "neon", "neon-dotprod", "neon-i8mm" or "portable". */
PARLEY_API const char* parley_kernels(void);

/* The sizes of ParleyModel, ParleyLayer and ParleyMatrix in bytes, so that the caller can compare. */
PARLEY_API int64_t parley_layout(int64_t which);

PARLEY_API int64_t parley_packed_bytes(int64_t format, int64_t rows, int64_t cols);

/* Both give PARLEY_OK or PARLEY_NO_MEMORY. */
PARLEY_API int parley_pack(const ParleyMatrix* from, int64_t format, void* packed, float* scales,
                           int64_t threads);
PARLEY_API int parley_unpack(const ParleyMatrix* packed, float* out, int64_t threads);

/* NULL when there is no memory for it. */
PARLEY_API ParleyEngine* parley_create(const ParleyModel* model, int64_t threads);
PARLEY_API void parley_destroy(ParleyEngine* engine);

/* Text positions, then audio frames (frames, K), at `start` of the cache. `hidden` (width,) gets the last
 * position's state after the final norm. */
PARLEY_API void parley_read(ParleyEngine* engine, const ParleyCache* cache, int64_t start,
                            const int64_t* ids, int64_t texts, const int64_t* codes, int64_t frames,
                            float* hidden);

/* One frame (K,) each for some branches: `codes` (branches, K). They share the first `start` positions of
 * `shared`, and each goes on after `fed` positions of its cache in `own` (branches,), which holds nothing
 * else. `hidden` is (branches, width). What a branch gets does not depend on the others. */
PARLEY_API void parley_read_branches(ParleyEngine* engine, const ParleyCache* shared, int64_t start,
                                     const ParleyCache* own, int64_t branches, int64_t fed,
                                     const int64_t* codes, float* hidden);

/* The frames after `hidden` (branches, width): codes (branches, K), whether they end the line (branches,),
 * and the codes' log-probabilities (branches, K). The noise is (branches, K, candidates). */
PARLEY_API void parley_draw_branches(ParleyEngine* engine, const float* hidden,
                                     const ParleySampling* sampling, int64_t branches,
                                     int64_t* codes, int64_t* over, float* log_probability);

/* The frame after `hidden`: codes (K,). Returns 1 when it ends the line. */
PARLEY_API int parley_draw(ParleyEngine* engine, const float* hidden, const ParleySampling* sampling,
                           int64_t* codes);

/* The logits (K, V) of a frame, given its own codes. */
PARLEY_API void parley_force(ParleyEngine* engine, const float* hidden, const int64_t* codes,
                             float* logits);

#ifdef __cplusplus
}
#endif

#endif
