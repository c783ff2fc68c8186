#include "block.h"

#include <sys/mman.h>

#include <cstring>
#include <map>

#include "memory.h"

namespace emulator {

Block* Block::now = nullptr;
sigjmp_buf Block::escape;

namespace {
constexpr unsigned GUARD_BYTES = 4096;

// Regions of dynamic shared memory between guards, as large as any device's, one for each block of a cluster.
unsigned char* sharedRegion(unsigned rank) {
  static unsigned char* const regions = [] {
    void* memory = mmap(nullptr, MAX_CLUSTER << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return static_cast<unsigned char*>(memory) + 2 * GUARD_BYTES;
  }();
  return regions + ((size_t)rank << 20);
}
}  // namespace

unsigned ThreadSet::lowest(unsigned from) const {
  for (unsigned word = from / 64; word < MAX_THREADS / 64; word++) {
    const uint64_t bits = word == from / 64 ? words[word] >> (from % 64) << (from % 64) : words[word];
    if (bits != 0) return word * 64 + __builtin_ctzll(bits);
  }
  return NO_THREAD;
}

unsigned ThreadSet::highest() const {
  for (unsigned word = MAX_THREADS / 64; word-- > 0;)
    if (words[word] != 0) return word * 64 + 63 - __builtin_clzll(words[word]);
  return NO_THREAD;
}

std::vector<Fiber>& Block::pool(unsigned rank) {
  static std::vector<Fiber> fibers[MAX_CLUSTER];
  if (fibers[rank].empty()) fibers[rank] = std::vector<Fiber>(MAX_THREADS);
  return fibers[rank];
}

Block::Block(const LaunchConfig& config, Cluster* cluster, unsigned rank)
    : config_(config),
      cluster_(cluster),
      rank_(rank),
      count_(config.threads.x * config.threads.y * config.threads.z),
      shared_(sharedRegion(rank)),
      fibers_(pool(rank)) {}

bool Block::run(Index3 block) {
  begin(block);
  turn();
  if (live_ > 0 && fault.message.empty()) failStuck();
  finish();
  return fault.message.empty();
}

void Block::begin(Index3 block) {
  now = this;
  block_ = block;
  state_ = config_.seed * 0x9e3779b97f4a7c15ull + block.x * 0x85ebca6bull + block.y * 0xc2b2ae35ull + block.z + 1;
  std::memset(shared_ - GUARD_BYTES, GUARD, GUARD_BYTES);
  std::memset(shared_, POISON, config_.sharedBytes);
  std::memset(sharedEnd(), GUARD, GUARD_BYTES);
  std::memset(config_.module->staticShared, POISON, config_.module->staticSharedBytes);
  published_.assign(shared_, sharedEnd());
  fences_ = publishedFences_ = 0;
  live_ = count_;
  ready_ = yielded_ = waitingCluster_ = ThreadSet();
  for (Barrier& barrier : barriers_) barrier = Barrier();
  for (auto& gatherings : warps_) gatherings.clear();
  for (auto& gatherings : warpgroups_) gatherings.clear();
  transferBarriers_.clear();
  transfers_.clear();
  const Index3 size = config_.threads;
  for (unsigned i = 0; i < count_; i++) {
    Fiber& fiber = fibers_[i];
    if (fiber.stack == nullptr) fiber.stack = makeStack();
    prepare(fiber.context, fiber.stack, &Block::enter);
    fiber.thread =
        Thread{{i % size.x, i / size.x % size.y, i / size.x / size.y}, block, size, config_.blocks, i, shared_};
    fiber.exited = false;
    fiber.wgmmaFenced = false;
    fiber.copies.assign(1, {});
    fiber.stores.assign(1, {});
    fiber.wgmma.assign(1, {});
    ready_.add(i);
  }
  for (unsigned i = 0; i < MAX_THREADS / 32; i++)
    absent_[i] = i * 32 >= count_ ? ~0u : count_ - i * 32 < 32 ? ~0u << (count_ - i * 32) : 0;
}

bool Block::turn() {
  now = this;
  bool any = false;
  interrupted_ = false;
  while (live_ > 0 && fault.message.empty() && !interrupted_) {
    const unsigned thread = next();
    if (thread != NO_THREAD) {
      any = true;
      running_ = thread;
      *config_.module->current = &fibers_[thread].thread;
      switchTo(main_, fibers_[thread].context);
    } else if (arriveOne()) {
      any = true;
    } else {
      break;
    }
  }
  running_ = NO_THREAD;
  // Nobody may touch the shared memory of a block that is over.
  if (any && live_ == 0 && cluster_ != nullptr) std::memset(shared_, POISON, config_.sharedBytes);
  return any;
}

void Block::failStuck() {
  running_ = NO_THREAD;
  fault = {place() + ": deadlock: " + stuck(), LAUNCH_FAILED};
}

void Block::finish() {
  if (fault.message.empty()) checkGuards();
  if (!fault.message.empty() || cluster_ == nullptr) return;
  for (unsigned i = 0; i < config_.sharedBytes; i++) {
    if (shared_[i] == POISON) continue;
    fault = {place() + ": another block of its cluster wrote to its shared memory when it had returned", LAUNCH_FAILED};
    return;
  }
}

void Block::enter() {
  now->config_.module->run(now->config_.parameters.data());
  now->exit();
}

void Block::exit() {
  Fiber& fiber = current();
  fiber.exited = true;
  absent_[running_ / 32] |= 1u << (running_ % 32);
  live_--;
  // What it still had to store arrives; cp.async that nobody waited for does not.
  for (auto& group : fiber.stores)
    for (auto& copy : group) copy();
  fiber.stores.clear();
  for (const Gathering& gathering : warps_[running_ / 32]) {
    if (gathering.lanes[0] >> (running_ % 32) & 1)
      fail("the thread returned while others of its warp wait for it in " + std::string(gathering.name), LAUNCH_FAILED);
  }
  if (live_ > 0 && barriers_[0].arrived == live_) completeBarrier(barriers_[0]);
  if (cluster_ != nullptr) completeCluster();
  suspend("nothing: it has returned");
}

void Block::suspend(const char* waitsFor) {
  Fiber& fiber = current();
  fiber.waitsFor = waitsFor;
  ready_.remove(running_);
  reschedule();
}

void Block::reschedule() {
  if (cluster_ != nullptr && config_.schedule == Schedule::shuffled && random() % 64 == 0) interrupted_ = true;
  const unsigned thread = interrupted_ ? NO_THREAD : next();
  if (thread == NO_THREAD || !fault.message.empty()) {
    switchTo(current().context, main_);
    return;
  }
  go(thread);
}

void Block::go(unsigned thread) {
  if (thread == running_) return;
  Fiber& from = current();
  running_ = thread;
  *config_.module->current = &fibers_[thread].thread;
  switchTo(from.context, fibers_[thread].context);
}

unsigned Block::next() {
  unsigned thread = NO_THREAD;
  switch (config_.schedule) {
    case Schedule::forward:
      thread = ready_.lowest();
      break;
    case Schedule::reverse:
      thread = ready_.highest();
      break;
    case Schedule::shuffled:
      if (!transfers_.empty() && random() % 8 == 0) arriveOne();
      thread = ready_.lowest(random() % count_);
      if (thread == NO_THREAD) thread = ready_.lowest();
      break;
  }
  if (thread == NO_THREAD && anyYielded_) {
    if (!transfers_.empty()) arriveOne();
    ready_ = yielded_;
    yielded_ = ThreadSet();
    anyYielded_ = false;
    thread = ready_.lowest();
  }
  return thread;
}

void Block::resumeAll(ThreadSet& threads) {
  for (unsigned word = 0; word < MAX_THREADS / 64; word++) ready_.words[word] |= threads.words[word];
  threads = ThreadSet();
}

void Block::yield() {
  yielded_.add(running_);
  anyYielded_ = true;
  suspend("its turn");
}

uint64_t Block::random() {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_ >> 11;
}

bool Block::earlyNow() {
  return config_.schedule == Schedule::reverse || (config_.schedule == Schedule::shuffled && random() % 2 == 0);
}

void Block::fail(const std::string& what, int code) {
  fault = {place() + ": " + what, code};
  switchTo(current().context, main_);
  __builtin_unreachable();
}

std::string Block::place() const {
  const auto index = [](Index3 i) {
    return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
  };
  std::string text = std::string(config_.module->name) + ", block " + index(block_);
  if (running_ != NO_THREAD) text += ", thread " + index(fibers_[running_].thread.thread);
  return text;
}

std::string Block::stuck() const {
  std::map<std::string, std::vector<unsigned>> reasons;
  for (unsigned i = 0; i < count_; i++)
    if (!fibers_[i].exited) reasons[fibers_[i].waitsFor].push_back(i);
  std::string text;
  for (const auto& [reason, threads] : reasons) {
    if (!text.empty()) text += "; ";
    text += std::to_string(threads.size()) + " threads (the first is " + std::to_string(threads[0]) + ") wait for " +
            reason;
  }
  if (live_ < count_) text += "; " + std::to_string(count_ - live_) + " have returned";
  return text;
}

bool Block::isShared(const void* address, unsigned long long bytes) const {
  const auto* at = static_cast<const unsigned char*>(address);
  const auto within = [&](const unsigned char* start, unsigned long long size) {
    return at >= start && at + bytes <= start + size;
  };
  return within(shared_, config_.sharedBytes) ||
         within(config_.module->staticShared, config_.module->staticSharedBytes);
}

void Block::checkGuards() {
  for (unsigned i = 0; i < GUARD_BYTES; i++) {
    if (sharedEnd()[i] != GUARD) {
      fault = {place() + ": wrote to dynamic shared memory " + std::to_string(i) + " bytes behind its end (" +
                   std::to_string(config_.sharedBytes) + " bytes)",
               LAUNCH_FAILED};
      return;
    }
    if (*(shared_ - 1 - i) != GUARD) {
      fault = {place() + ": wrote before the start of dynamic shared memory", LAUNCH_FAILED};
      return;
    }
  }
}

}  // namespace emulator
