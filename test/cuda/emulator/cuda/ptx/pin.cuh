#pragma once

__device__ __forceinline__ void pin(unsigned&) {}
