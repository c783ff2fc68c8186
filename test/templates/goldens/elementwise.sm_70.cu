#include "cuda/operand.cuh"
#include "cuda/bf16.cuh"

struct Arguments {
  unsigned rows;
  unsigned reserved;
  const unsigned* step;
  Operand<const float> in0;
  Operand<const float> in1;
  Operand<float> out;
  unsigned scalars[8];
};
static_assert(sizeof(Arguments) == 96, "Arguments is laid out as the runtime fills it");
#include "cuda/vector.cuh"
#include "cuda/activation.cuh"
#include "cuda/functions.cuh"

constexpr unsigned RANK = 2;
constexpr unsigned THREADS = 256;
constexpr unsigned VECTOR = 4;

__device__ __forceinline__ float valueOf(float v0, float v1) {
  const float t0 = tanhf(v1);  // tanh(in1)
  const float t1 = v0 + t0;  // add(in0, tanh(in1))
  return t1;
}

__device__ __forceinline__ int toElement(int x) { return x; }
__device__ __forceinline__ unsigned toElement(unsigned x) { return x; }
__device__ __forceinline__ float toElement(float x) { return x; }
__device__ __forceinline__ float toElement(bf16 x) { return toFloat(x); }
__device__ __forceinline__ void storeElement(int* to, int x) { *to = x; }
__device__ __forceinline__ void storeElement(unsigned* to, unsigned x) { *to = x; }
__device__ __forceinline__ void storeElement(float* to, float x) { *to = x; }
__device__ __forceinline__ void storeElement(bf16* to, float x) { storeFloat(to, x); }

// 32-bit integers move as their bits.
template <typename T>
__device__ __forceinline__ void loadWords(const T* from, T (&v)[VECTOR]) {
#pragma unroll
  for (unsigned i = 0; i < VECTOR; i += 4) {
    const uint4 four = *reinterpret_cast<const uint4*>(from + i);
    v[i] = (T)four.x;
    v[i + 1] = (T)four.y;
    v[i + 2] = (T)four.z;
    v[i + 3] = (T)four.w;
  }
}
template <typename T>
__device__ __forceinline__ void storeWords(T* to, const T (&v)[VECTOR]) {
#pragma unroll
  for (unsigned i = 0; i < VECTOR; i += 4) {
    *reinterpret_cast<uint4*>(to + i) =
      make_uint4((unsigned)v[i], (unsigned)v[i + 1], (unsigned)v[i + 2], (unsigned)v[i + 3]);
  }
}
__device__ __forceinline__ void loadVector(const int* from, int (&v)[VECTOR]) { loadWords(from, v); }
__device__ __forceinline__ void loadVector(const unsigned* from, unsigned (&v)[VECTOR]) { loadWords(from, v); }
__device__ __forceinline__ void storeVector(int* to, const int (&v)[VECTOR]) { storeWords(to, v); }
__device__ __forceinline__ void storeVector(unsigned* to, const unsigned (&v)[VECTOR]) { storeWords(to, v); }

// Whether vectors along the last axis of an operand are whole 16-byte words, or one element repeated.
template <typename T>
__device__ __forceinline__ bool inVectors(const T* data, const unsigned* strides, bool repeats) {
  const unsigned last = strides[RANK - 1];
  if (repeats && last == 0) return true;
  unsigned long long places = (unsigned long long)data;
  for (unsigned axis = 0; axis + 1 < RANK; axis++) places |= (unsigned long long)strides[axis] * sizeof(T);
  return last == 1 && (places & 15) == 0;
}

template <typename V, typename T>
__device__ __forceinline__ void loadAlong(V (&v)[VECTOR], const T* from, unsigned stride) {
  if (stride != 0) {
    loadVector(from, v);
    return;
  }
  const V one = toElement(*from);
#pragma unroll
  for (unsigned i = 0; i < VECTOR; i++) v[i] = one;
}

extern "C" __global__ void __launch_bounds__(THREADS) elementwise(const __grid_constant__ Arguments arguments) {
  const unsigned* const sizes = arguments.scalars;
  const float* const in0 = rowOf(arguments.in0, arguments.step, 0);
  const unsigned* const strides0 = arguments.scalars + 2;
  const float* const in1 = rowOf(arguments.in1, arguments.step, 0);
  const unsigned* const strides1 = arguments.scalars + 4;
  float* const out = rowOf(arguments.out, arguments.step, 0);
  const unsigned* const stridesOut = arguments.scalars + 6;

  const bool vectors = sizes[RANK - 1] % VECTOR == 0 && inVectors(out, stridesOut, false)
    && inVectors(in0, strides0, true)
    && inVectors(in1, strides1, true)
    ;
  const unsigned long long tile = (unsigned long long)blockIdx.x * (THREADS * VECTOR);
  const unsigned width = vectors ? VECTOR : 1;
#pragma unroll 1
  for (unsigned part = 0; part < VECTOR; part += width) {
    const unsigned long long element = tile + threadIdx.x * width + part * THREADS;
    if (element >= arguments.rows) return;
    unsigned rest = (unsigned)element;
    unsigned long long from0 = 0;
    unsigned long long from1 = 0;
    unsigned long long to = 0;
#pragma unroll
    for (unsigned axis = RANK; axis-- > 0;) {
      unsigned coordinate = rest;
      if (axis > 0) {
        const unsigned outer = rest / sizes[axis];
        coordinate -= outer * sizes[axis];
        rest = outer;
      }
      from0 += (unsigned long long)coordinate * strides0[axis];
      from1 += (unsigned long long)coordinate * strides1[axis];
      to += (unsigned long long)coordinate * stridesOut[axis];
    }
    if (vectors) {
      float v0[VECTOR];
      loadAlong(v0, in0 + from0, strides0[RANK - 1]);
      float v1[VECTOR];
      loadAlong(v1, in1 + from1, strides1[RANK - 1]);
      float results[VECTOR];
#pragma unroll
      for (unsigned i = 0; i < VECTOR; i++) results[i] = valueOf(v0[i], v1[i]);
      storeVector(out + to, results);
    } else {
      storeElement(out + to, valueOf(toElement(in0[from0]), toElement(in1[from1])));
    }
  }
}
