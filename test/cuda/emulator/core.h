#pragma once

// What kernels and the emulator's core know of one another. A kernel is a shared object that exports one `Module`; the
// core is in the driver library, runs its threads as fibers and is called through `Core`. No includes: kernels are to
// compile in a moment.
namespace emulator {

struct Index3 {
  unsigned x, y, z;
};

// The CUDA thread that runs, as its kernel sees it.
struct Thread {
  Index3 thread, block, threads, blocks;
  unsigned linear;        // index in the block
  unsigned char* shared;  // dynamic shared memory
};

// Does what lanes asked for together; operands[i] is what lane i passed, null for lanes outside the mask.
typedef void (*Together)(void* const* operands);

struct MmaInstructions;
struct MatrixInstructions;
struct WgmmaInstructions;

enum class Vote : int { none, any, all, count };

struct Core {
  // Ends the launch with a message; does not return.
  void (*fail)(const char* what);
  // Lets the others run first.
  void (*yield)();

  // Barrier 0 for the whole block.
  int (*syncthreads)(Vote vote, int predicate);
  // A barrier for `threads` threads; without `waits` the caller only arrives.
  void (*namedBarrier)(unsigned id, unsigned threads, bool waits);
  // Collects what the lanes of `mask` pass, calls `together` once, lets all go on.
  void (*warp)(const char* name, unsigned mask, void* operands, Together together);
  // The same for the 128 threads of a warpgroup.
  void (*warpgroup)(const char* name, void* operands, Together together);
  unsigned (*activeLanes)();

  // Publishes what was written to dynamic shared memory for asynchronous reads of it.
  void (*fenceProxy)();

  // cp.async of one thread.
  void (*copyAsync)(void* shared, const void* global, unsigned bytes, unsigned read);
  void (*copyCommit)();
  void (*copyWait)(unsigned left);

  void (*mbarrierInit)(unsigned long long* barrier, unsigned arrivals);
  void (*mbarrierArrive)(unsigned long long* barrier, unsigned arrivals, unsigned bytes);
  bool (*mbarrierTest)(unsigned long long* barrier, unsigned parity);
  void (*mbarrierWait)(unsigned long long* barrier, unsigned parity);

  // Copies of the tensor memory accelerator.
  void (*tmaLoad)(void* shared, const void* map, const int* coordinates, unsigned rank, unsigned long long* barrier);
  void (*tmaStore)(const void* map, const void* shared, const int* coordinates, unsigned rank);
  void (*bulkLoad)(void* shared, const void* global, unsigned bytes, unsigned long long* barrier);
  void (*bulkStore)(void* global, const void* shared, unsigned bytes);
  void (*storeCommit)();
  void (*storeWait)(unsigned left);

  // Blocks of a cluster: which of them this is, what another one has at an address in shared memory, a barrier for all
  // threads of all of them, an arrival at an mbarrier of another one.
  unsigned (*clusterRank)();
  void* (*clusterMap)(const void* shared, unsigned rank);
  void (*clusterSync)();
  void (*clusterArrive)(unsigned long long* barrier, unsigned rank);
  // To the same place of each block whose bit is set.
  void (*tmaLoadMulticast)(void* shared, const void* map, const int* coordinates, unsigned rank, unsigned long long* barrier,
                           unsigned blocks);

  void (*wgmmaFence)();
  void (*wgmmaCommit)();
  void (*wgmmaWait)(unsigned left);

  const MmaInstructions* mma;
  const MatrixInstructions* matrices;
  const WgmmaInstructions* wgmma;
};

// What a kernel's shared object exports as `emulator_module`.
struct Module {
  const Core** core;
  Thread** current;
  const char* name;
  void (*run)(void* const* parameters);
  unsigned parameterCount;
  const unsigned* parameterBytes;
  unsigned maxThreads;
  unsigned cluster;  // blocks of one
  unsigned char* staticShared;
  unsigned long long staticSharedBytes;
};

}  // namespace emulator
