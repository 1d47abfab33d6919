// SPDX-License-Identifier: MIT
#include "proc/child.hpp"
