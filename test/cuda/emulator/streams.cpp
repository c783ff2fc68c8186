// Streams, graphs and events of the emulated driver.
#include <chrono>

#include "driver.h"

namespace emulator {
namespace {

double milliseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

template <typename T>
bool drop(std::set<T*>& set, T* object) {
  if (set.erase(object) == 0) return false;
  delete object;
  return true;
}

}  // namespace
}  // namespace emulator

API int cuStreamCreate(void** stream, unsigned) {
  ENTER_CONTEXT("cuStreamCreate")
  auto* created = new Stream();
  driver().streams.insert(created);
  *stream = created;
  return SUCCESS;
}
API int cuStreamDestroy_v2(void* stream) {
  ENTER("cuStreamDestroy_v2")
  driver().drain();
  return drop(driver().streams, static_cast<Stream*>(stream)) ? SUCCESS : INVALID_HANDLE;
}
API int cuStreamSynchronize(void* stream) {
  ENTER("cuStreamSynchronize")
  if (driver().settings.strictThreads && currentContext == nullptr) return INVALID_CONTEXT;
  if (stream != nullptr && driver().streams.count(static_cast<Stream*>(stream)) == 0) return INVALID_HANDLE;
  if (stream != nullptr && static_cast<Stream*>(stream)->capture != nullptr) return STREAM_CAPTURE_UNSUPPORTED;
  return driver().settle();
}
API int cuStreamBeginCapture_v2(void* stream, int) {
  ENTER_CONTEXT("cuStreamBeginCapture_v2")
  auto* target = static_cast<Stream*>(stream);
  if (driver().streams.count(target) == 0) return INVALID_HANDLE;
  if (target->capture != nullptr) return INVALID_VALUE;
  target->capture = std::make_unique<Graph>();
  return SUCCESS;
}
API int cuStreamEndCapture(void* stream, void** graph) {
  ENTER("cuStreamEndCapture")
  auto* target = static_cast<Stream*>(stream);
  if (driver().streams.count(target) == 0 || target->capture == nullptr) return INVALID_VALUE;
  Graph* captured = target->capture.release();
  driver().graphs.insert(captured);
  *graph = captured;
  return SUCCESS;
}
API int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  ENTER_CONTEXT("cuGraphInstantiateWithFlags")
  if (driver().graphs.count(static_cast<Graph*>(graph)) == 0) return INVALID_VALUE;
  auto* copy = new Graph(*static_cast<Graph*>(graph));
  driver().executables.insert(copy);
  *executable = copy;
  return SUCCESS;
}
API int cuGraphLaunch(void* executable, void* stream) {
  ENTER_CONTEXT("cuGraphLaunch")
  auto* graph = static_cast<Graph*>(executable);
  if (driver().executables.count(graph) == 0) return INVALID_VALUE;
  for (const Operation& operation : graph->operations) driver().add(static_cast<Stream*>(stream), operation);
  return SUCCESS;
}
API int cuGraphExecDestroy(void* executable) {
  ENTER("cuGraphExecDestroy")
  return drop(driver().executables, static_cast<Graph*>(executable)) ? SUCCESS : INVALID_VALUE;
}
API int cuGraphDestroy(void* graph) {
  ENTER("cuGraphDestroy")
  return drop(driver().graphs, static_cast<Graph*>(graph)) ? SUCCESS : INVALID_VALUE;
}

API int cuEventCreate(void** event, unsigned) {
  ENTER_CONTEXT("cuEventCreate")
  auto* created = new Event();
  driver().events.insert(created);
  *event = created;
  return SUCCESS;
}
API int cuEventRecord(void* event, void* stream) {
  ENTER_CONTEXT("cuEventRecord")
  auto* target = static_cast<Event*>(event);
  if (driver().events.count(target) == 0) return INVALID_HANDLE;
  target->recorded = true;
  driver().add(static_cast<Stream*>(stream), [=] { target->milliseconds = milliseconds(); });
  return SUCCESS;
}
API int cuEventSynchronize(void* event) {
  ENTER("cuEventSynchronize")
  if (driver().settings.strictThreads && currentContext == nullptr) return INVALID_CONTEXT;
  if (driver().events.count(static_cast<Event*>(event)) == 0) return INVALID_HANDLE;
  return driver().settle();
}
API int cuEventElapsedTime(float* milliseconds, void* start, void* end) {
  ENTER("cuEventElapsedTime")
  const auto *first = static_cast<Event*>(start), *last = static_cast<Event*>(end);
  if (!first->recorded || !last->recorded) return INVALID_HANDLE;
  if (first->milliseconds == 0 || last->milliseconds == 0) return NOT_READY;
  *milliseconds = (float)(last->milliseconds - first->milliseconds);
  return SUCCESS;
}
API int cuEventDestroy_v2(void* event) {
  ENTER("cuEventDestroy_v2")
  driver().drain();
  return drop(driver().events, static_cast<Event*>(event)) ? SUCCESS : INVALID_HANDLE;
}
