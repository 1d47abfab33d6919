// SPDX-License-Identifier: MIT
#include "proc/guardian.hpp"
