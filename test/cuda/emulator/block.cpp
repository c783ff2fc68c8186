#include "block.h"

#include <sys/mman.h>

#include <cstring>
#include <map>

namespace emulator {

Block* Block::now = nullptr;

namespace {
constexpr unsigned GUARD_BYTES = 4096;
constexpr unsigned char POISON = 0xff;
constexpr unsigned char GUARD = 0xa5;
constexpr int LAUNCH_FAILED = 719;

// One region of dynamic shared memory between guards, as large as any device's.
unsigned char* sharedRegion() {
  static unsigned char* const region = [] {
    void* memory = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return static_cast<unsigned char*>(memory) + 2 * GUARD_BYTES;
  }();
  return region;
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

std::vector<Fiber>& Block::pool() {
  static std::vector<Fiber> fibers(MAX_THREADS);
  return fibers;
}

Block::Block(const LaunchConfig& config)
    : config_(config), count_(config.threads.x * config.threads.y * config.threads.z), shared_(sharedRegion()), fibers_(pool()) {}

bool Block::run(Index3 block) {
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
  ready_ = yielded_ = ThreadSet();
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
    fiber.thread = Thread{{i % size.x, i / size.x % size.y, i / size.x / size.y}, block, size, config_.blocks, i, shared_};
    fiber.exited = false;
    fiber.wgmmaFenced = false;
    fiber.copies.assign(1, {});
    fiber.stores.assign(1, {});
    fiber.wgmma.assign(1, {});
    ready_.add(i);
  }
  while (live_ > 0 && fault.message.empty()) {
    const unsigned thread = next();
    if (thread != NO_THREAD) {
      running_ = thread;
      *config_.module->current = &fibers_[thread].thread;
      switchTo(main_, fibers_[thread].context);
    } else if (!arriveOne()) {
      running_ = NO_THREAD;
      fault = {place() + ": deadlock: " + stuck(), LAUNCH_FAILED};
    }
  }
  running_ = NO_THREAD;
  if (fault.message.empty()) checkGuards();
  return fault.message.empty();
}

void Block::enter() {
  now->config_.module->run(now->config_.parameters.data());
  now->exit();
}

void Block::exit() {
  Fiber& fiber = current();
  fiber.exited = true;
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
  suspend("nothing: it has returned");
}

void Block::suspend(const char* waitsFor) {
  Fiber& fiber = current();
  fiber.waitsFor = waitsFor;
  ready_.remove(running_);
  reschedule();
}

void Block::reschedule() {
  const unsigned thread = next();
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
    text += std::to_string(threads.size()) + " threads (the first is " + std::to_string(threads[0]) + ") wait for " + reason;
  }
  if (live_ < count_) text += "; " + std::to_string(count_ - live_) + " have returned";
  return text;
}

bool Block::isShared(const void* address, unsigned long long bytes) const {
  const auto* at = static_cast<const unsigned char*>(address);
  const auto within = [&](const unsigned char* start, unsigned long long size) {
    return at >= start && at + bytes <= start + size;
  };
  return within(shared_, config_.sharedBytes) || within(config_.module->staticShared, config_.module->staticSharedBytes);
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

// --- barriers and collectives ---

int Block::syncthreads(Vote vote, int predicate) {
  Barrier& barrier = barriers_[0];
  if (barrier.arrived > 0 && (barrier.vote != vote || barrier.expected != 0))
    fail("threads of one block are at different kinds of __syncthreads", LAUNCH_FAILED);
  barrier.vote = vote;
  barrier.expected = 0;
  const int counted = predicate != 0;
  barrier.votes += counted;
  barrier.arrived++;
  barrier.waiting.add(running_);
  if (barrier.arrived < live_) {
    suspend("__syncthreads");
  } else {
    completeBarrier(barrier);
    reschedule();
  }
  return current().voteResult;
}

void Block::namedBarrier(unsigned id, unsigned threads, bool waits) {
  if (id >= 16) fail("there is no barrier " + std::to_string(id), LAUNCH_FAILED);
  if (threads == 0 || threads % 32 != 0 || threads > count_)
    fail("a barrier cannot wait for " + std::to_string(threads) + " threads", LAUNCH_FAILED);
  Barrier& barrier = barriers_[id];
  if (barrier.arrived > 0 && barrier.expected != threads)
    fail("barrier " + std::to_string(id) + " is used with two different thread counts", LAUNCH_FAILED);
  barrier.expected = threads;
  barrier.vote = Vote::none;
  barrier.arrived++;
  if (waits) barrier.waiting.add(running_);
  if (barrier.arrived < threads) {
    if (waits) suspend("a named barrier");
  } else {
    completeBarrier(barrier);
    reschedule();
  }
}

void Block::completeBarrier(Barrier& barrier) {
  int result = 0;
  switch (barrier.vote) {
    case Vote::none:
      break;
    case Vote::any:
      result = barrier.votes > 0;
      break;
    case Vote::all:
      result = barrier.votes == (int)barrier.arrived;
      break;
    case Vote::count:
      result = barrier.votes;
      break;
  }
  for (unsigned i = barrier.waiting.lowest(); i != NO_THREAD; i = barrier.waiting.lowest(i + 1)) fibers_[i].voteResult = result;
  resumeAll(barrier.waiting);
  barrier = Barrier();
}

void Block::together(const char* name, unsigned long long low, unsigned long long high, unsigned first, unsigned lane,
                     std::vector<Gathering>& gatherings, void* operands, Together together) {
  Gathering* own = nullptr;
  for (Gathering& gathering : gatherings)
    if (gathering.lanes[0] == low && gathering.lanes[1] == high && !(gathering.arrived[lane / 64] >> (lane % 64) & 1)) own = &gathering;
  if (own != nullptr && (own->together != together || std::strcmp(own->name, name) != 0))
    fail(std::string("lanes part: this one is at ") + name + ", others are at " + own->name, LAUNCH_FAILED);
  if (own == nullptr) {
    gatherings.push_back(Gathering{name, together, {low, high}, {0, 0}, {}});
    own = &gatherings.back();
  }
  own->arrived[lane / 64] |= 1ull << (lane % 64);
  own->operands[lane] = operands;
  if (own->arrived[0] != low || own->arrived[1] != high) {
    suspend(name);
    return;
  }
  together(own->operands);
  for (unsigned i = 0; i < 128; i++)
    if (own->lanes[i / 64] >> (i % 64) & 1) resume(first + i);
  gatherings.erase(gatherings.begin() + (own - gatherings.data()));
  // Whoever comes next in the schedule goes on, not always the last one to arrive.
  reschedule();
}

void Block::warp(const char* name, unsigned mask, void* operands, Together perform) {
  const unsigned lane = running_ % 32;
  const unsigned first = running_ - lane;
  if (!(mask >> lane & 1)) fail(std::string(name) + " by a lane that is not in its own mask", LAUNCH_FAILED);
  for (unsigned i = 0; i < 32; i++) {
    if (!(mask >> i & 1)) continue;
    if (first + i >= count_) fail(std::string(name) + " with a lane that the block does not have", LAUNCH_FAILED);
    if (fibers_[first + i].exited)
      fail(std::string(name) + " with lane " + std::to_string(i) + ", which has returned", LAUNCH_FAILED);
  }
  together(name, mask, 0, first, lane, warps_[running_ / 32], operands, perform);
}

void Block::warpgroup(const char* name, void* operands, Together perform) {
  const unsigned lane = running_ % 128;
  const unsigned first = running_ - lane;
  for (unsigned i = 0; i < 128; i++) {
    if (first + i >= count_) fail(std::string(name) + " in an incomplete warpgroup", LAUNCH_FAILED);
    if (fibers_[first + i].exited) fail(std::string(name) + " with a thread that has returned", LAUNCH_FAILED);
  }
  together(name, ~0ull, ~0ull, first, lane, warpgroups_[running_ / 128], operands, perform);
}

unsigned Block::activeLanes() const {
  const unsigned first = running_ & ~31u;
  unsigned mask = 0;
  for (unsigned i = 0; i < 32 && first + i < count_; i++)
    if (!fibers_[first + i].exited) mask |= 1u << i;
  return mask;
}

}  // namespace emulator
