#pragma once

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core.h"
#include "fiber.h"

namespace emulator {

// In what order threads run and when asynchronous copies arrive, so that a missing barrier or wait shows in one of
// them.
enum class Schedule : int {
  forward = 0,   // the lowest thread that can go on; copies arrive when they are waited for
  reverse = 1,   // the highest; copies arrive at once
  shuffled = 2,  // any; copies arrive at any time
};

// What a kernel's faults are to the driver.
constexpr int ILLEGAL_ADDRESS = 700;
constexpr int MISALIGNED = 716;
constexpr int LAUNCH_FAILED = 719;

constexpr unsigned MAX_THREADS = 1024;
constexpr unsigned NO_THREAD = ~0u;
// Blocks of a cluster that every device takes.
constexpr unsigned MAX_CLUSTER = 8;

// A set of threads of a block.
struct ThreadSet {
  uint64_t words[MAX_THREADS / 64] = {};
  void add(unsigned i) { words[i / 64] |= 1ull << (i % 64); }
  void remove(unsigned i) { words[i / 64] &= ~(1ull << (i % 64)); }
  bool has(unsigned i) const { return (words[i / 64] >> (i % 64)) & 1; }
  unsigned lowest(unsigned from = 0) const;
  unsigned highest() const;
};

// What lanes of a warp or warpgroup have passed for one instruction until the last of them arrives.
struct Gathering {
  // A warp's: none from `high`, and no more than 32 operands.
  Gathering(const char* name, Together together, unsigned long long low, unsigned long long high)
      : name(name), together(together), lanes{low, high} {
    std::fill_n(operands, high == 0 ? 32 : 128, nullptr);
  }
  const char* name;
  Together together;
  unsigned long long lanes[2];  // who takes part
  unsigned long long arrived[2] = {};
  void* operands[128];
};

struct Barrier {
  unsigned expected = 0;  // 0: all threads that have not returned
  unsigned arrived = 0;
  ThreadSet waiting;
  Vote vote = Vote::none;
  int votes = 0;
};

struct CopyAsync {
  void* to;
  const void* from;
  unsigned bytes, read;
  bool done;
};

struct TransferBarrier {
  unsigned expected, pending;
  long long bytes;
  unsigned phase;
  ThreadSet waiting;
};

// The values that an asynchronous instruction adds to a thread's registers when it is waited for.
struct LateResult {
  void* registers;
  const void* values;
  unsigned count;
  bool isFloat;
  bool overwrite;
};

// Copies an operand out of shared memory.
typedef void (*Gather)(unsigned long long descriptor, unsigned rows, unsigned char* to);

// Memory of one wgmma instruction; what it read of shared memory must be the same when it is waited for.
struct WgmmaValues {
  std::unique_ptr<unsigned char[]> memory;
  struct Operand {
    Gather gather;
    unsigned long long descriptor;
    unsigned rows;
    std::vector<unsigned char> bytes;
  };
  std::vector<Operand> operands;
  bool checked = false;
};

struct Fiber {
  Context context;
  unsigned char* stack = nullptr;
  Thread thread;
  bool exited = false;
  const char* waitsFor = nullptr;
  int voteResult = 0;
  // Groups of cp.async, the last one still open.
  std::vector<std::vector<CopyAsync>> copies;
  // Groups of stores of the tensor memory accelerator, the last one still open.
  std::vector<std::vector<std::function<void()>>> stores;
  // Whether wgmma_fence() came since the last wait for wgmma.
  bool wgmmaFenced = false;
  // Groups of wgmma results, the last one still open.
  struct Late {
    std::shared_ptr<WgmmaValues> values;
    LateResult result;
  };
  std::vector<std::vector<Late>> wgmma;
};

// A launch as the driver hands it over.
struct LaunchConfig {
  const Module* module;
  Index3 blocks, threads;
  unsigned sharedBytes;
  std::vector<void*> parameters;
  Schedule schedule;
  uint64_t seed;
};

// Runs all blocks; the message of what went wrong and whether it was an address, or an empty one.
struct LaunchFault {
  std::string message;
  int code = 0;
};
LaunchFault runLaunch(const LaunchConfig& config);

class Block;

// Blocks that run at the same time and reach each other's shared memory; alone a block has none.
struct Cluster {
  std::vector<std::unique_ptr<Block>> blocks;
  // Threads that have come to the barrier of all.
  unsigned arrived = 0;
  // Whether all have come to one: before, a block cannot know that the others are there.
  bool isMet = false;
};

// Threads of the block that runs now. The functions of `Core` are its methods.
class Block {
 public:
  explicit Block(const LaunchConfig& config, Cluster* cluster = nullptr, unsigned rank = 0);
  // False where a thread failed.
  bool run(Index3 block);

  // What `run` does, in turns of the blocks of a cluster: beginning, all that it can do by itself (false where that is
  // nothing), and the checks behind it.
  void begin(Index3 block);
  bool turn();
  void finish();
  bool isOver() const { return live_ == 0; }
  void failStuck();

  [[noreturn]] void fail(const std::string& what, int code);
  // Where a signal handler leaves the running thread: as after `fail`.
  static sigjmp_buf escape;
  // The kernel, block and thread that runs.
  std::string place() const;

  int syncthreads(Vote vote, int predicate);
  void namedBarrier(unsigned id, unsigned threads, bool waits);
  void together(const char* name, unsigned long long low, unsigned long long high, unsigned first, unsigned lane,
                std::vector<Gathering>& gatherings, void* operands, Together together);
  void warp(const char* name, unsigned mask, void* operands, Together together);
  void warpgroup(const char* name, void* operands, Together together);
  unsigned activeLanes() const;
  void yield();
  bool isShared(const void* address, unsigned long long bytes) const;

  unsigned rank() const { return rank_; }
  void* clusterMap(const void* shared, unsigned rank);
  void clusterSync();
  void clusterArrive(unsigned long long* barrier, unsigned rank);
  Block& peer(unsigned rank, const char* what);

  void fenceProxy() { fences_++; }
  void asyncRead(const void* address, unsigned long long bytes);
  void asyncWritten(const void* address, unsigned long long bytes);

  void copyAsync(void* shared, const void* global, unsigned bytes, unsigned read);
  void copyCommit();
  void copyWait(unsigned left);

  TransferBarrier& barrierAt(const unsigned long long* address, const char* what);
  void mbarrierInit(unsigned long long* barrier, unsigned arrivals);
  void mbarrierArrive(unsigned long long* barrier, unsigned arrivals, unsigned bytes);
  bool mbarrierTest(unsigned long long* barrier, unsigned parity);
  void mbarrierWait(unsigned long long* barrier, unsigned parity);
  // Adds a copy that completes `bytes` of a barrier when it arrives.
  void transfer(unsigned long long* barrier, void* shared, unsigned bytes, std::function<void()> copy);
  void store(std::function<void()> copy);
  void storeCommit();
  void storeWait(unsigned left);

  void* wgmmaValues(unsigned long long bytes);
  // What was read; it must be the same at the wait.
  const unsigned char* wgmmaOperand(Gather gather, unsigned long long descriptor, unsigned rows, unsigned rowBytes);
  void wgmmaResult(unsigned lane, const LateResult& result);
  void wgmmaFence() { current().wgmmaFenced = true; }
  void wgmmaCommit();
  void wgmmaWait(unsigned left);

  unsigned char* sharedEnd() const { return shared_ + config_.sharedBytes; }
  Fiber& current() { return fibers_[running_]; }

  // The block that runs, for `Core`.
  static Block* now;
  LaunchFault fault;

 private:
  static void enter();
  void exit();
  // Stops the running thread until `resume`; `waitsFor` is for the message of a deadlock.
  void suspend(const char* waitsFor);
  // Goes on with whoever is next, which may be the running thread.
  void reschedule();
  void resumeAll(ThreadSet& threads);
  unsigned next();
  void go(unsigned thread);
  void completeBarrier(Barrier& barrier);
  void advance(TransferBarrier& barrier);
  bool arriveOne();
  bool earlyNow();
  std::string stuck() const;
  uint64_t random();
  void checkGuards();
  void completeCluster();

  const LaunchConfig& config_;
  Cluster* const cluster_;
  const unsigned rank_;
  ThreadSet waitingCluster_;
  bool interrupted_ = false;
  const unsigned count_;
  unsigned live_ = 0;
  unsigned running_ = NO_THREAD;
  ThreadSet ready_, yielded_;
  bool anyYielded_ = false;
  Context main_;
  Barrier barriers_[16];
  // By warp: the lanes that the block does not have or that have returned.
  unsigned absent_[MAX_THREADS / 32];
  std::vector<Gathering> warps_[MAX_THREADS / 32];
  std::vector<Gathering> warpgroups_[MAX_THREADS / 128];
  std::unordered_map<const unsigned long long*, TransferBarrier> transferBarriers_;
  struct Transfer {
    unsigned long long* barrier;
    void* shared;
    unsigned bytes;
    std::function<void()> copy;
  };
  std::vector<Transfer> transfers_;
  std::shared_ptr<WgmmaValues> wgmmaNow_;
  unsigned char* shared_;
  // Dynamic shared memory as asynchronous operations see it: as of the last fence before one of them.
  std::vector<unsigned char> published_;
  uint64_t fences_ = 0, publishedFences_ = 0;
  uint64_t state_ = 1;
  Index3 block_{};

  static std::vector<Fiber>& pool(unsigned rank);
  std::vector<Fiber>& fibers_;
};

extern const MmaInstructions MMA;
extern const MatrixInstructions MATRICES;
extern const WgmmaInstructions WGMMA;
extern const Core CORE;

}  // namespace emulator
