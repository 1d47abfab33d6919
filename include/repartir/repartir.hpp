// SPDX-License-Identifier: MIT
#pragma once
/// @file repartir.hpp Everything that a program usually needs. interop/ is included apart.
#include "repartir/codec.hpp"
#include "repartir/cpu_executor.hpp"
#include "repartir/error.hpp"
#include "repartir/executor.hpp"
#include "repartir/function.hpp"
#include "repartir/id.hpp"
#include "repartir/outcome.hpp"
#include "repartir/pending.hpp"
#include "repartir/policy.hpp"
#include "repartir/pool.hpp"
#include "repartir/result.hpp"
#include "repartir/scheduler.hpp"
#include "repartir/shared_buffer.hpp"
#include "repartir/task.hpp"
#include "repartir/task_group.hpp"
#include "repartir/topology.hpp"
