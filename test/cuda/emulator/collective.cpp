// Barriers, and what lanes of a warp or warpgroup do together.
#include <cstring>

#include "block.h"

namespace emulator {

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
  for (unsigned i = barrier.waiting.lowest(); i != NO_THREAD; i = barrier.waiting.lowest(i + 1))
    fibers_[i].voteResult = result;
  resumeAll(barrier.waiting);
  barrier = Barrier();
}

void Block::together(const char* name, unsigned long long low, unsigned long long high, unsigned first, unsigned lane,
                     std::vector<Gathering>& gatherings, void* operands, Together together) {
  Gathering* own = nullptr;
  for (Gathering& gathering : gatherings)
    if (gathering.lanes[0] == low && gathering.lanes[1] == high && !(gathering.arrived[lane / 64] >> (lane % 64) & 1))
      own = &gathering;
  if (own != nullptr && (own->together != together || (own->name != name && std::strcmp(own->name, name) != 0)))
    fail(std::string("lanes part: this one is at ") + name + ", others are at " + own->name, LAUNCH_FAILED);
  if (own == nullptr) {
    gatherings.emplace_back(name, together, low, high);
    own = &gatherings.back();
  }
  own->arrived[lane / 64] |= 1ull << (lane % 64);
  own->operands[lane] = operands;
  if (own->arrived[0] != low || own->arrived[1] != high) {
    suspend(name);
    return;
  }
  together(own->operands);
  ready_.words[first / 64] |= low << (first % 64);
  if (high != 0) ready_.words[first / 64 + 1] |= high;
  gatherings.erase(gatherings.begin() + (own - gatherings.data()));
  // Whoever comes next in the schedule goes on, not always the last one to arrive.
  reschedule();
}

void Block::warp(const char* name, unsigned mask, void* operands, Together perform) {
  const unsigned lane = running_ % 32;
  const unsigned first = running_ - lane;
  if (!(mask >> lane & 1)) fail(std::string(name) + " by a lane that is not in its own mask", LAUNCH_FAILED);
  const unsigned absent = mask & absent_[running_ / 32];
  if (absent != 0) {
    const unsigned i = __builtin_ctz(absent);
    if (first + i >= count_) fail(std::string(name) + " with a lane that the block does not have", LAUNCH_FAILED);
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
