// SPDX-License-Identifier: MIT
#pragma once
/// @file forms.hpp How ids and endings stand in bytes: their fields, which never change.
#include "repartir/codec.hpp"
#include "repartir/id.hpp"
#include "repartir/outcome.hpp"

namespace repartir::codec {

template <>
struct Form<JobId> : detail::PlainForm<JobId, &JobId::words> {};
template <>
struct Form<TaskId> : detail::PlainForm<TaskId, &TaskId::job, &TaskId::element> {};
template <>
struct Form<AttemptId> : detail::PlainForm<AttemptId, &AttemptId::task, &AttemptId::number,
                                           &AttemptId::issuer, &AttemptId::epoch> {};
template <>
struct Form<Ending> : detail::PlainForm<Ending, &Ending::end, &Ending::code> {};

}  // namespace repartir::codec
