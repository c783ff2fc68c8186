// What blocks of a cluster do to each other.
#include "block.h"

namespace emulator {

Block& Block::peer(unsigned rank, const char* what) {
  const size_t count = cluster_ == nullptr ? 1 : cluster_->blocks.size();
  if (rank >= count) fail(std::string(what) + " a block that its cluster does not have", LAUNCH_FAILED);
  if (cluster_ == nullptr) return *this;
  Block& other = *cluster_->blocks[rank];
  if (&other != this && !cluster_->isMet)
    fail(std::string(what) + " a block of its cluster that no cluster_sync has waited for", LAUNCH_FAILED);
  if (other.isOver()) fail(std::string(what) + " a block of its cluster that has returned", LAUNCH_FAILED);
  return other;
}

void* Block::clusterMap(const void* shared, unsigned rank) {
  if (!isShared(shared, 1)) fail("an address of the cluster's that is not in shared memory", ILLEGAL_ADDRESS);
  Block& other = peer(rank, "an address in");
  return other.shared_ + (static_cast<const unsigned char*>(shared) - shared_);
}

void Block::clusterArrive(unsigned long long* barrier, unsigned rank) {
  Block& other = peer(rank, "an arrival at an mbarrier of");
  const auto* address = static_cast<unsigned long long*>(clusterMap(barrier, rank));
  const auto found = other.transferBarriers_.find(address);
  if (found == other.transferBarriers_.end())
    fail("an arrival at an mbarrier of another block that was not initialized", LAUNCH_FAILED);
  if (found->second.pending == 0) fail("more arrivals at an mbarrier than it expects", LAUNCH_FAILED);
  found->second.pending--;
  other.advance(found->second);
}

void Block::clusterSync() {
  if (cluster_ == nullptr) {
    syncthreads(Vote::none, 0);
    return;
  }
  cluster_->arrived++;
  waitingCluster_.add(running_);
  completeCluster();
  // Goes on at once where it was the last one.
  if (waitingCluster_.has(running_))
    suspend("the barrier of its cluster");
  else
    reschedule();
}

// Lets all go on once every thread that has not returned is there.
void Block::completeCluster() {
  unsigned live = 0;
  for (const auto& block : cluster_->blocks) live += block->live_;
  if (cluster_->arrived == 0 || cluster_->arrived < live) return;
  cluster_->arrived = 0;
  cluster_->isMet = true;
  for (const auto& block : cluster_->blocks) block->resumeAll(block->waitingCluster_);
}

}  // namespace emulator
