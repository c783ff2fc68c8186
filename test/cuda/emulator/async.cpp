// What arrives later: cp.async, copies on mbarriers, stores of the tensor memory accelerator, results of wgmma.
#include <cstring>

#include "block.h"

namespace emulator {

namespace {

void perform(CopyAsync& copy) {
  if (copy.done) return;
  copy.done = true;
  std::memset(copy.to, 0, copy.bytes);
  if (copy.read > 0) std::memcpy(copy.to, copy.from, copy.read);
}
}  // namespace

void Block::copyAsync(void* shared, const void* global, unsigned bytes, unsigned read) {
  if (!isShared(shared, bytes)) fail("cp.async to what is not shared memory", LAUNCH_FAILED);
  const auto address = reinterpret_cast<uintptr_t>(shared) | (read > 0 ? reinterpret_cast<uintptr_t>(global) : 0);
  if (address % bytes != 0) fail("cp.async at an address that is not a multiple of its size", MISALIGNED);
  CopyAsync copy{shared, global, bytes, read, false};
  if (earlyNow()) perform(copy);
  current().copies.back().push_back(copy);
}

void Block::copyCommit() { current().copies.emplace_back(); }

void Block::copyWait(unsigned left) {
  auto& groups = current().copies;
  while (groups.size() > (size_t)left + 1) {
    for (CopyAsync& copy : groups.front()) perform(copy);
    groups.erase(groups.begin());
  }
}

void Block::asyncRead(const void* address, unsigned long long bytes) {
  if (!isShared(address, bytes)) fail("an asynchronous read of what is not shared memory", LAUNCH_FAILED);
  const ptrdiff_t offset = static_cast<const unsigned char*>(address) - shared_;
  if (offset < 0 || offset >= (ptrdiff_t)published_.size()) return;
  if (publishedFences_ != fences_) {
    publishedFences_ = fences_;
    std::memcpy(published_.data(), shared_, published_.size());
  }
  if (std::memcmp(published_.data() + offset, address, bytes) != 0)
    fail("shared memory changed without fence_proxy_async before an asynchronous read, or before the wait for it",
         LAUNCH_FAILED);
}

void Block::asyncWritten(const void* address, unsigned long long bytes) {
  const ptrdiff_t offset = static_cast<const unsigned char*>(address) - shared_;
  if (offset >= 0 && offset < (ptrdiff_t)published_.size()) std::memcpy(published_.data() + offset, address, bytes);
}

TransferBarrier& Block::barrierAt(const unsigned long long* address, const char* what) {
  const auto found = transferBarriers_.find(address);
  if (found == transferBarriers_.end())
    fail(std::string(what) + " with an mbarrier that was not initialized", LAUNCH_FAILED);
  return found->second;
}

void Block::mbarrierInit(unsigned long long* barrier, unsigned arrivals) {
  if (!isShared(barrier, 8)) fail("an mbarrier outside shared memory", LAUNCH_FAILED);
  if (reinterpret_cast<uintptr_t>(barrier) % 8 != 0) fail("an mbarrier that is not 8-byte aligned", MISALIGNED);
  if (arrivals == 0 || arrivals >= 1u << 20)
    fail("an mbarrier of " + std::to_string(arrivals) + " arrivals", LAUNCH_FAILED);
  transferBarriers_[barrier] = TransferBarrier{arrivals, arrivals, 0, 0, {}};
}

void Block::mbarrierArrive(unsigned long long* barrier, unsigned arrivals, unsigned bytes) {
  TransferBarrier& state = barrierAt(barrier, "mbarrier_arrive");
  if (arrivals > state.pending) fail("more arrivals at an mbarrier than it expects", LAUNCH_FAILED);
  state.bytes += bytes;
  state.pending -= arrivals;
  advance(state);
}

void Block::advance(TransferBarrier& barrier) {
  if (barrier.pending > 0 || barrier.bytes != 0) return;
  barrier.phase ^= 1;
  barrier.pending = barrier.expected;
  resumeAll(barrier.waiting);
}

bool Block::mbarrierTest(unsigned long long* barrier, unsigned parity) {
  if (parity > 1) fail("the parity of a phase is 0 or 1", LAUNCH_FAILED);
  return barrierAt(barrier, "mbarrier_wait").phase != parity;
}

void Block::mbarrierWait(unsigned long long* barrier, unsigned parity) {
  while (!mbarrierTest(barrier, parity)) {
    barrierAt(barrier, "mbarrier_wait").waiting.add(running_);
    suspend("an mbarrier");
  }
}

void Block::transfer(unsigned long long* barrier, void* shared, unsigned bytes, std::function<void()> copy) {
  barrierAt(barrier, "a copy");
  transfers_.push_back(Transfer{barrier, shared, bytes, std::move(copy)});
  if (config_.schedule == Schedule::reverse) arriveOne();
}

// Lets one transfer arrive; false where none is on its way.
bool Block::arriveOne() {
  if (transfers_.empty()) return false;
  const size_t i = config_.schedule == Schedule::shuffled ? random() % transfers_.size() : 0;
  const Transfer transfer = std::move(transfers_[i]);
  transfers_.erase(transfers_.begin() + i);
  transfer.copy();
  asyncWritten(transfer.shared, transfer.bytes);
  TransferBarrier& barrier = transferBarriers_[transfer.barrier];
  barrier.bytes -= transfer.bytes;
  advance(barrier);
  return true;
}

void Block::store(std::function<void()> copy) {
  if (earlyNow()) {
    copy();
    return;
  }
  current().stores.back().push_back(std::move(copy));
}

void Block::storeCommit() { current().stores.emplace_back(); }

void Block::storeWait(unsigned left) {
  auto& groups = current().stores;
  while (groups.size() > (size_t)left + 1) {
    for (auto& copy : groups.front()) copy();
    groups.erase(groups.begin());
  }
}

void* Block::wgmmaValues(unsigned long long bytes) {
  wgmmaNow_ = std::make_shared<WgmmaValues>();
  wgmmaNow_->memory.reset(new unsigned char[bytes]);
  return wgmmaNow_->memory.get();
}

const unsigned char* Block::wgmmaOperand(Gather gather, unsigned long long descriptor, unsigned rows, unsigned rowBytes) {
  WgmmaValues::Operand operand{gather, descriptor, rows, std::vector<unsigned char>((size_t)rows * rowBytes)};
  gather(descriptor, rows, operand.bytes.data());
  wgmmaNow_->operands.push_back(std::move(operand));
  return wgmmaNow_->operands.back().bytes.data();
}

void Block::wgmmaResult(unsigned lane, const LateResult& result) {
  Fiber& fiber = fibers_[(running_ & ~127u) + lane];
  if (!fiber.wgmmaFenced) fail("wgmma without wgmma_fence() since the last wait for wgmma", LAUNCH_FAILED);
  fiber.wgmma.back().push_back({wgmmaNow_, result});
}

void Block::wgmmaCommit() { current().wgmma.emplace_back(); }

void Block::wgmmaWait(unsigned left) {
  current().wgmmaFenced = false;
  auto& groups = current().wgmma;
  while (groups.size() > (size_t)left + 1) {
    for (const Fiber::Late& late : groups.front()) {
      if (!late.values->checked) {
        late.values->checked = true;
        for (const auto& operand : late.values->operands) {
          std::vector<unsigned char> again(operand.bytes.size());
          operand.gather(operand.descriptor, operand.rows, again.data());
          if (again != operand.bytes)
            fail("an operand of wgmma in shared memory changed before the wait for it", LAUNCH_FAILED);
        }
      }
      const LateResult& result = late.result;
      for (unsigned i = 0; i < result.count; i++) {
        if (result.isFloat) {
          float& to = static_cast<float*>(result.registers)[i];
          to = (result.overwrite ? 0.0f : to) + static_cast<const float*>(result.values)[i];
        } else {
          int& to = static_cast<int*>(result.registers)[i];
          to = (int)((result.overwrite ? 0u : (unsigned)to) + static_cast<const unsigned*>(result.values)[i]);
        }
      }
    }
    groups.erase(groups.begin());
  }
}

}  // namespace emulator
