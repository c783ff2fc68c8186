// Modules, launches and tensor maps of the emulated driver. A module's image is the shared object that g++ made of a
// kernel, as it is.
#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "driver.h"
#include "tensor-map.h"

namespace emulator {
namespace {

// Bytes of a shared object: its section headers come last.
size_t imageBytes(const void* image) {
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof header);
  return header.e_shoff + (size_t)header.e_shnum * header.e_shentsize;
}

void* openImage(const void* image) {
  const char* folder = std::getenv("TMPDIR");
  std::string path = std::string(folder == nullptr ? "/tmp" : folder) + "/cuda-emulator-XXXXXX";
  const int file = mkstemp(path.data());
  if (file < 0) return nullptr;
  const auto* bytes = static_cast<const char*>(image);
  for (size_t left = imageBytes(image); left > 0;) {
    const ssize_t written = write(file, bytes, left);
    if (written <= 0) break;
    bytes += written;
    left -= (size_t)written;
  }
  close(file);
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  unlink(path.c_str());
  return library;
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// A launch with its own copy of the parameters.
struct Prepared {
  LaunchConfig config;
  std::vector<std::unique_ptr<void, Free>> parameters;
};

void runPrepared(Prepared& launch) {
  Driver& state = driver();
  launch.config.seed = ++state.launches;
  LaunchFault fault = runLaunch(launch.config);
  if (fault.message.empty()) {
    const std::string written = state.device.checkGuards();
    if (!written.empty()) fault = {std::string(launch.config.module->name) + ": " + written, ILLEGAL_ADDRESS};
  }
  if (fault.message.empty()) return;
  state.fault = fault.code;
  state.faultText = fault.message;
}

bool isFunction(const Function* function) {
  for (const auto& [name, known] : driver().functions)
    if (known == function) return true;
  return false;
}

}  // namespace
}  // namespace emulator

API int cuModuleLoadData(void** module, const void* image) {
  ENTER_CONTEXT("cuModuleLoadData")
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return INVALID_IMAGE;
  constexpr unsigned MACHINE_CUDA = 190;
  if (header.e_machine == MACHINE_CUDA) return NO_BINARY_FOR_GPU;
  void* library = openImage(image);
  if (library == nullptr) return INVALID_IMAGE;
  const auto* exported = static_cast<const Module*>(dlsym(library, "emulator_module"));
  if (exported == nullptr) {
    dlclose(library);
    return INVALID_IMAGE;
  }
  auto* loaded = new LoadedModule{currentContext, library, exported};
  driver().modules.insert(loaded);
  *module = loaded;
  return SUCCESS;
}
API int cuModuleUnload(void* module) {
  ENTER("cuModuleUnload")
  driver().drain();
  auto* loaded = static_cast<LoadedModule*>(module);
  if (driver().modules.erase(loaded) == 0) return INVALID_HANDLE;
  auto& functions = driver().functions;
  for (auto at = functions.begin(); at != functions.end();) {
    if (at->second->owner == loaded) {
      delete at->second;
      at = functions.erase(at);
    } else {
      ++at;
    }
  }
  dlclose(loaded->library);
  delete loaded;
  driver().recover();
  return SUCCESS;
}
API int cuModuleGetFunction(void** function, void* module, const char* name) {
  ENTER_CONTEXT("cuModuleGetFunction")
  auto* loaded = static_cast<LoadedModule*>(module);
  if (driver().modules.count(loaded) == 0) return INVALID_HANDLE;
  if (loaded->context != currentContext) return INVALID_CONTEXT;
  if (std::strcmp(loaded->module->name, name) != 0) return NOT_FOUND;
  Function*& known = driver().functions[std::to_string(reinterpret_cast<uintptr_t>(loaded))];
  if (known == nullptr) known = new Function{loaded, (48u << 10) - (unsigned)loaded->module->staticSharedBytes};
  *function = known;
  return SUCCESS;
}
API int cuFuncSetAttribute(void* function, int attribute, int value) {
  ENTER("cuFuncSetAttribute")
  auto* target = static_cast<Function*>(function);
  if (!isFunction(target)) return INVALID_HANDLE;
  if (attribute != 8) return SUCCESS;
  if (value < 0 || value + (int)target->owner->module->staticSharedBytes > driver().sharedLimit()) return INVALID_VALUE;
  target->maxDynamicShared = (unsigned)value;
  return SUCCESS;
}
API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* function, int threads, size_t sharedBytes) {
  ENTER("cuOccupancyMaxActiveBlocksPerMultiprocessor")
  auto* target = static_cast<Function*>(function);
  if (!isFunction(target)) return INVALID_HANDLE;
  if (threads <= 0 || threads > 1024) return INVALID_VALUE;
  const size_t shared = sharedBytes + target->owner->module->staticSharedBytes + 1024;
  const int byThreads = 1536 / threads;
  const int byShared = (int)((size_t)driver().sharedPerProcessor() / shared);
  *blocks = sharedBytes > target->maxDynamicShared ? 0 : byThreads < byShared ? byThreads : byShared;
  return SUCCESS;
}
// As the driver's header has it; attributes follow.
struct LaunchDescription {
  unsigned grid[3], block[3], sharedBytes;
  void* stream;
  void* attributes;
  unsigned attributeCount;
};

API int cuOccupancyMaxActiveClusters(int* clusters, void* function, const LaunchDescription* launch) {
  ENTER("cuOccupancyMaxActiveClusters")
  auto* target = static_cast<Function*>(function);
  if (!isFunction(target)) return INVALID_HANDLE;
  const unsigned cluster = target->owner->module->cluster;
  // The size that the kernel was compiled for is the only one.
  if (launch->attributeCount != 0 || launch->grid[0] == 0 || launch->grid[0] % cluster != 0) return INVALID_VALUE;
  const unsigned threads = launch->block[0] * launch->block[1] * launch->block[2];
  int blocks = 0;
  const int result = cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, (int)threads, launch->sharedBytes);
  if (result != SUCCESS) return result;
  *clusters = blocks * driver().settings.processors / (int)cluster;
  return SUCCESS;
}

API int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       unsigned sharedBytes, void* stream, void** parameters, void** extra) {
  ENTER_CONTEXT("cuLaunchKernel")
  auto* target = static_cast<Function*>(function);
  if (!isFunction(target)) return INVALID_HANDLE;
  if (target->owner->context != currentContext) return INVALID_CONTEXT;
  if (parameters == nullptr || extra != nullptr) return INVALID_VALUE;
  if (gx == 0 || gy == 0 || gz == 0 || bx == 0 || by == 0 || bz == 0) return INVALID_VALUE;
  if (gx > 0x7fffffffu || gy > 65535 || gz > 65535 || bx > 1024 || by > 1024 || bz > 64) return INVALID_VALUE;
  const Module* module = target->owner->module;
  if (bx * by * bz > 1024 || bx * by * bz > module->maxThreads) return INVALID_VALUE;
  if (sharedBytes > target->maxDynamicShared) return INVALID_VALUE;
  if (module->cluster > 1 && (driver().settings.major < 9 || gx % module->cluster != 0 || module->cluster > MAX_CLUSTER))
    return INVALID_CLUSTER_SIZE;
  auto launch = std::make_shared<Prepared>();
  launch->config = LaunchConfig{module, {gx, gy, gz}, {bx, by, bz}, sharedBytes, {}, driver().settings.schedule, 0};
  for (unsigned i = 0; i < module->parameterCount; i++) {
    const size_t bytes = module->parameterBytes[i];
    launch->parameters.emplace_back(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
    std::memcpy(launch->parameters.back().get(), parameters[i], bytes);
    launch->config.parameters.push_back(launch->parameters.back().get());
  }
  driver().add(static_cast<Stream*>(stream), [launch] { runPrepared(*launch); });
  return SUCCESS;
}

API int cuTensorMapEncodeTiled(void* map, int dataType, unsigned rank, void* address, const uint64_t* sizes,
                               const uint64_t* strides, const uint32_t* box, const uint32_t* elementStrides,
                               int interleave, int swizzle, int, int fill) {
  ENTER("cuTensorMapEncodeTiled")
  if (driver().settings.major < 9) return INVALID_VALUE;
  // By CUtensorMapDataType.
  static const unsigned BYTES[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  if (dataType < 0 || dataType > 12 || rank == 0 || rank > 5 || interleave != 0 || fill != 0) return INVALID_VALUE;
  if (swizzle < 0 || swizzle > 3) return INVALID_VALUE;
  if (reinterpret_cast<uintptr_t>(map) % 64 != 0 || reinterpret_cast<uintptr_t>(address) % 16 != 0)
    return INVALID_VALUE;
  TensorMapFields fields{};
  fields.magic = TENSOR_MAP_MAGIC;
  fields.elementBytes = (uint8_t)BYTES[dataType];
  fields.rank = (uint8_t)rank;
  fields.swizzle = (uint8_t)swizzle;
  fields.base = reinterpret_cast<uint64_t>(address);
  for (unsigned i = 0; i < rank; i++) {
    if (sizes[i] == 0 || sizes[i] > uint64_t(1) << 32 || box[i] == 0 || box[i] > 256 || elementStrides[i] != 1)
      return INVALID_VALUE;
    fields.sizes[i] = (uint32_t)sizes[i];
    fields.box[i] = (uint16_t)box[i];
    if (i + 1 == rank) continue;
    if (strides[i] % 16 != 0 || strides[i] >= uint64_t(1) << 40) return INVALID_VALUE;
    fields.strides[i] = strides[i];
  }
  const unsigned inner = box[0] * fields.elementBytes;
  if (inner % 16 != 0 || (swizzle != 0 && inner > 16u << swizzle)) return INVALID_VALUE;
  std::memset(map, 0, 128);
  std::memcpy(map, &fields, sizeof fields);
  return SUCCESS;
}
