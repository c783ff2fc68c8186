#pragma once

// The part of CUDA that kernels use, for g++. The build puts it before a kernel's source and replaces the declaration
// of dynamic shared memory, which has no counterpart in C++.
#include "core.h"
#include "types.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __maxnreg__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// One block runs at a time, so its shared memory can be static; the section lets the core poison it. Kernels of clusters have none.
#define __shared__ static __attribute__((section("emulator_shared")))

namespace {
const emulator::Core* emulatorCore;
emulator::Thread* emulatorThread;
}  // namespace

#define threadIdx (emulatorThread->thread)
#define blockIdx (emulatorThread->block)
#define blockDim (emulatorThread->threads)
#define gridDim (emulatorThread->blocks)
#define warpSize 32
#define assert(condition) ((condition) ? (void)0 : emulatorCore->fail("assert(" #condition ")"))

[[noreturn]] inline void __trap() {
  emulatorCore->fail("__trap()");
  __builtin_unreachable();
}

namespace emulator {

template <typename T>
struct Plain {
  typedef T Type;
};
template <typename T>
struct Plain<const T> {
  typedef T Type;
};

template <unsigned... I>
struct Indices {};
template <unsigned N, unsigned... I>
struct IndicesBelow : IndicesBelow<N - 1, N - 1, I...> {};
template <unsigned... I>
struct IndicesBelow<0, I...> {
  typedef Indices<I...> Type;
};

// A kernel's parameters, from the pointers to them that a launch passes.
template <typename... P>
struct Parameters {
  static constexpr unsigned count = sizeof...(P);
  static constexpr unsigned bytes[] = {(unsigned)sizeof(P)...};
  template <unsigned... I>
  static void call(void (*kernel)(P...), void* const* parameters, Indices<I...>) {
    kernel(*static_cast<const typename Plain<P>::Type*>(parameters[I])...);
  }
};
template <typename... P>
Parameters<P...> parametersOf(void (*)(P...));

}  // namespace emulator

extern unsigned char __start_emulator_shared[] __attribute__((weak, visibility("hidden")));
extern unsigned char __stop_emulator_shared[] __attribute__((weak, visibility("hidden")));

// Ends every kernel's source.
#define EMULATOR_MODULE(kernel, threads, cluster)                                                            \
  typedef decltype(emulator::parametersOf(kernel)) EmulatorParameters;                                       \
  static void emulatorRun(void* const* parameters) {                                                         \
    EmulatorParameters::call(kernel, parameters, emulator::IndicesBelow<EmulatorParameters::count>::Type()); \
  }                                                                                                          \
  extern "C" __attribute__((visibility("default")))                                                          \
  const emulator::Module emulator_module = {&emulatorCore,                                                   \
                                            &emulatorThread,                                                 \
                                            #kernel,                                                         \
                                            emulatorRun,                                                     \
                                            EmulatorParameters::count,                                       \
                                            EmulatorParameters::bytes,                                       \
                                            threads,                                                         \
                                            cluster,                                                         \
                                            __start_emulator_shared,                                         \
                                            (unsigned long long)(__stop_emulator_shared - __start_emulator_shared)};

#include "math.h"
#include "integer.h"
#include "warp.h"
