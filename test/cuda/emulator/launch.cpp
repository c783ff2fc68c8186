// A launch: its blocks one after the other, those of a cluster in turns, faults of the host's memory turned into those of the device.
#include <csignal>
#include <cstdio>
#include <cstring>

#include "block.h"
#include "tensor-map.h"

namespace emulator {

namespace {

const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};

// The launching thread catches its own faults; other threads of the process have their handlers.
thread_local bool launching = false;
struct sigaction before[4];

void handle(int signal, siginfo_t* info, void* context) {
  if (!launching) {
    for (int i = 0; i < 4; i++) {
      if (SIGNALS[i] != signal) continue;
      if ((before[i].sa_flags & SA_SIGINFO) != 0)
        before[i].sa_sigaction(signal, info, context);
      else
        sigaction(signal, &before[i], nullptr);
    }
    return;
  }
  Block& block = *Block::now;
  char address[32];
  std::snprintf(address, sizeof address, "%p", info->si_addr);
  switch (signal) {
    case SIGILL:
      block.fault = {block.place() + ": a misaligned access, an index outside its array, or other undefined behavior",
                     MISALIGNED};
      break;
    case SIGFPE:
      block.fault = {block.place() + ": an integer division by zero", LAUNCH_FAILED};
      break;
    default:
      block.fault = {block.place() + ": an access outside of every allocation, at " + address, ILLEGAL_ADDRESS};
  }
  siglongjmp(Block::escape, 1);
}

// Catches faults while it lives, on a stack of its own: that of a fiber may be what has run over.
class Signals {
 public:
  Signals() {
    static unsigned char stack[64 * 1024];
    stack_t alternate{};
    alternate.ss_sp = stack;
    alternate.ss_size = sizeof stack;
    sigaltstack(&alternate, &oldStack_);
    struct sigaction action{};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &action, &before[i]);
    launching = true;
  }
  ~Signals() {
    launching = false;
    for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &before[i], nullptr);
    sigaltstack(&oldStack_, nullptr);
  }

 private:
  stack_t oldStack_;
};

// Blocks that have begun, in turns until all are over.
LaunchFault runCluster(Cluster& cluster, bool reverse) {
  const size_t count = cluster.blocks.size();
  for (bool isOver = false; !isOver;) {
    bool any = false;
    isOver = true;
    for (size_t i = 0; i < count; i++) {
      Block& block = *cluster.blocks[reverse ? count - 1 - i : i];
      any |= block.turn();
      isOver &= block.isOver();
      if (!block.fault.message.empty()) return block.fault;
    }
    if (any || isOver) continue;
    for (const auto& block : cluster.blocks) {
      if (block->isOver()) continue;
      block->failStuck();
      return block->fault;
    }
  }
  for (const auto& block : cluster.blocks) {
    block->finish();
    if (!block->fault.message.empty()) return block->fault;
  }
  return {};
}

}  // namespace

LaunchFault runLaunch(const LaunchConfig& config) {
  *config.module->core = &CORE;
  const Signals signals;
  const Index3 size = config.blocks;
  const uint64_t count = (uint64_t)size.x * size.y * size.z;
  const auto indexOf = [&](uint64_t at) {
    return Index3{(unsigned)(at % size.x), (unsigned)(at / size.x % size.y), (unsigned)(at / size.x / size.y)};
  };
  const unsigned together = config.module->cluster;
  Cluster cluster;
  if (together > 1) {
    for (unsigned rank = 0; rank < together; rank++)
      cluster.blocks.push_back(std::make_unique<Block>(config, &cluster, rank));
  }
  Block single(config);
  if (sigsetjmp(Block::escape, 1) != 0) return Block::now->fault;
  for (uint64_t i = 0; i < count; i += together) {
    // Blocks may run in any order, too.
    const uint64_t at = config.schedule == Schedule::reverse ? count - together - i : i;
    if (together == 1) {
      if (!single.run(indexOf(at))) return single.fault;
      continue;
    }
    cluster.arrived = 0;
    cluster.isMet = false;
    for (unsigned rank = 0; rank < together; rank++) cluster.blocks[rank]->begin(indexOf(at + rank));
    const LaunchFault fault = runCluster(cluster, config.schedule == Schedule::reverse);
    if (!fault.message.empty()) return fault;
  }
  return {};
}

namespace {

Block& now() { return *Block::now; }

const TensorMapFields& mapOf(const void* map) {
  const TensorMapFields* fields = tensorMapFields(map);
  if (fields == nullptr) now().fail("not a tensor map that cuTensorMapEncodeTiled has made", LAUNCH_FAILED);
  if (reinterpret_cast<uintptr_t>(map) % 64 != 0) now().fail("a tensor map that is not 64-byte aligned", MISALIGNED);
  return *fields;
}

void checkBox(const TensorMapFields& map, const void* shared, unsigned rank) {
  if (map.rank != rank) now().fail("a copy of another rank than its tensor map", LAUNCH_FAILED);
  if (!now().isShared(shared, boxBytes(map))) now().fail("a box that is not wholly in shared memory", ILLEGAL_ADDRESS);
  if (reinterpret_cast<uintptr_t>(shared) % 128 != 0)
    now().fail("a box that is not 128-byte aligned in shared memory", MISALIGNED);
}

struct Coordinates {
  int at[5];
  Coordinates(const int* coordinates, unsigned rank) : at{} { std::memcpy(at, coordinates, rank * sizeof(int)); }
};

void tmaLoad(void* shared, const void* map, const int* coordinates, unsigned rank, unsigned long long* barrier) {
  const TensorMapFields fields = mapOf(map);
  checkBox(fields, shared, rank);
  const Coordinates from(coordinates, rank);
  now().transfer(barrier, shared, boxBytes(fields),
                 [=] { loadBox(fields, static_cast<unsigned char*>(shared), from.at); });
}

void tmaLoadMulticast(void* shared, const void* map, const int* coordinates, unsigned rank, unsigned long long* barrier,
                      unsigned blocks) {
  const TensorMapFields fields = mapOf(map);
  checkBox(fields, shared, rank);
  const Coordinates from(coordinates, rank);
  if (blocks == 0) now().fail("a copy to no block", LAUNCH_FAILED);
  for (unsigned to = 0; to < 32; to++) {
    if ((blocks >> to & 1) == 0) continue;
    auto* there = static_cast<unsigned char*>(now().clusterMap(shared, to));
    now().peer(to, "a copy to").transfer(static_cast<unsigned long long*>(now().clusterMap(barrier, to)), there,
                                         boxBytes(fields), [=] { loadBox(fields, there, from.at); });
  }
}

void tmaStore(const void* map, const void* shared, const int* coordinates, unsigned rank) {
  const TensorMapFields fields = mapOf(map);
  checkBox(fields, shared, rank);
  const Coordinates to(coordinates, rank);
  now().store([=] {
    now().asyncRead(shared, boxBytes(fields));
    storeBox(fields, static_cast<const unsigned char*>(shared), to.at);
  });
}

void checkBulk(const void* shared, const void* global, unsigned bytes) {
  const auto bits = reinterpret_cast<uintptr_t>(shared) | reinterpret_cast<uintptr_t>(global) | bytes;
  if (bits % 16 != 0) now().fail("a bulk copy whose addresses and size are not multiples of 16", MISALIGNED);
  if (!now().isShared(shared, bytes)) now().fail("a bulk copy that is not wholly in shared memory", ILLEGAL_ADDRESS);
}

void bulkLoad(void* shared, const void* global, unsigned bytes, unsigned long long* barrier) {
  checkBulk(shared, global, bytes);
  now().transfer(barrier, shared, bytes, [=] { std::memcpy(shared, global, bytes); });
}

void bulkStore(void* global, const void* shared, unsigned bytes) {
  checkBulk(shared, global, bytes);
  now().store([=] {
    now().asyncRead(shared, bytes);
    std::memcpy(global, shared, bytes);
  });
}

}  // namespace

const Core CORE = {
    [](const char* what) { now().fail(what, LAUNCH_FAILED); },
    [] { now().yield(); },
    [](Vote vote, int predicate) { return now().syncthreads(vote, predicate); },
    [](unsigned id, unsigned threads, bool waits) { now().namedBarrier(id, threads, waits); },
    [](const char* name, unsigned mask, void* operands, Together together) {
      now().warp(name, mask, operands, together);
    },
    [](const char* name, void* operands, Together together) { now().warpgroup(name, operands, together); },
    [] { return now().activeLanes(); },
    [] { now().fenceProxy(); },
    [](void* shared, const void* global, unsigned bytes, unsigned read) {
      now().copyAsync(shared, global, bytes, read);
    },
    [] { now().copyCommit(); },
    [](unsigned left) { now().copyWait(left); },
    [](unsigned long long* barrier, unsigned arrivals) { now().mbarrierInit(barrier, arrivals); },
    [](unsigned long long* barrier, unsigned arrivals, unsigned bytes) {
      now().mbarrierArrive(barrier, arrivals, bytes);
    },
    [](unsigned long long* barrier, unsigned parity) { return now().mbarrierTest(barrier, parity); },
    [](unsigned long long* barrier, unsigned parity) { now().mbarrierWait(barrier, parity); },
    tmaLoad,
    tmaStore,
    bulkLoad,
    bulkStore,
    [] { now().storeCommit(); },
    [](unsigned left) { now().storeWait(left); },
    [] { return now().rank(); },
    [](const void* shared, unsigned rank) { return now().clusterMap(shared, rank); },
    [] { now().clusterSync(); },
    [](unsigned long long* barrier, unsigned rank) { now().clusterArrive(barrier, rank); },
    tmaLoadMulticast,
    [] { now().wgmmaFence(); },
    [] { now().wgmmaCommit(); },
    [](unsigned left) { now().wgmmaWait(left); },
    &MMA,
    &MATRICES,
    &WGMMA,
};

}  // namespace emulator
