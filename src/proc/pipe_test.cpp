// SPDX-License-Identifier: MIT
#include "proc/pipe.hpp"
