// SPDX-License-Identifier: MIT
#include "repartir/policy.hpp"

namespace repartir {

std::string_view to_string(Priority priority) noexcept {
    switch (priority) {
        case Priority::high:
            return "high";
        case Priority::normal:
            return "normal";
        case Priority::low:
            return "low";
    }
    return "unknown";
}

std::string_view to_string(Backend backend) noexcept {
    switch (backend) {
        case Backend::any:
            return "any";
        case Backend::cpu:
            return "cpu";
        case Backend::gpu:
            return "gpu";
        case Backend::remote:
            return "remote";
    }
    return "unknown";
}

std::string_view to_string(Affinity affinity) noexcept {
    switch (affinity) {
        case Affinity::none:
            return "none";
        case Affinity::cpu_only:
            return "cpu_only";
        case Affinity::gpu_required:
            return "gpu_required";
        case Affinity::remote_allowed:
            return "remote_allowed";
    }
    return "unknown";
}

}  // namespace repartir
