// SPDX-License-Identifier: MIT
#include "loop/timer.hpp"
