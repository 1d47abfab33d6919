// SPDX-License-Identifier: MIT
//! WGSL to SPIR-V, by naga, behind one C function: `repartir_wgsl_compile`.
//!
//! The text may be hostile. A panic of naga's ends the compilation, not the process. Its recursion is
//! bounded by the caller, who looks at the text first and gives a large stack
//! (src/exec/gpu/kernel/source_limits.hpp).

use std::error::Error;
use std::ffi::c_void;
use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};
use std::sync::Once;

use naga::back::spv::{self, Capability};
use naga::back::{pipeline_constants::process_overrides, PipelineConstants};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{
    Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator,
};
use naga::{ShaderStage, Span, WithSpan};

/// Bytes of the caller's.
#[repr(C)]
pub struct Text {
    bytes: *const u8,
    count: usize,
}

/// A value for an `override`, by its name or by the digits of its id.
#[repr(C)]
pub struct Constant {
    name: Text,
    value: f64,
}

/// What the caller gets: the words once, or one complaint or more. Lines and columns count from 1,
/// columns in bytes; 0: none.
#[repr(C)]
pub struct Sink {
    user: *mut c_void,
    words: extern "C" fn(user: *mut c_void, words: *const u32, count: usize),
    complaint: extern "C" fn(user: *mut c_void, line: u32, column: u32, message: Text),
}

struct Complaint {
    line: u32,
    column: u32,
    message: String,
}

type Compiled = Result<Vec<u32>, Vec<Complaint>>;

const CAPABILITIES: Capabilities = Capabilities::IMMEDIATES
    .union(Capabilities::FLOAT64)
    .union(Capabilities::SHADER_FLOAT16)
    .union(Capabilities::SHADER_INT16)
    .union(Capabilities::SHADER_INT64)
    .union(Capabilities::SHADER_INT64_ATOMIC_MIN_MAX)
    .union(Capabilities::SHADER_INT64_ATOMIC_ALL_OPS)
    .union(Capabilities::SUBGROUP)
    .union(Capabilities::SUBGROUP_BARRIER);

/// Of those that src/exec/gpu/kernel/allowed.cpp allows, the ones that naga knows to write.
const SPIRV_CAPABILITIES: [Capability; 17] = [
    Capability::Shader,
    Capability::Matrix,
    Capability::Float16,
    Capability::Float64,
    Capability::Int8,
    Capability::Int16,
    Capability::Int64,
    Capability::Int64Atomics,
    Capability::StorageBuffer16BitAccess,
    Capability::UniformAndStorageBuffer16BitAccess,
    Capability::GroupNonUniform,
    Capability::GroupNonUniformVote,
    Capability::GroupNonUniformArithmetic,
    Capability::GroupNonUniformBallot,
    Capability::GroupNonUniformShuffle,
    Capability::GroupNonUniformShuffleRelative,
    Capability::GroupNonUniformQuad,
];

/// Compiles a compute shader. Any thread.
/// `entry` names the entry point; empty: the only one of the compute stage.
/// Returns 0 with words, 1 with complaints, 2 when naga panicked.
///
/// # Safety
/// Each `Text` and the `count` constants are readable during the call; `sink`'s functions do not
/// unwind.
#[no_mangle]
pub unsafe extern "C" fn repartir_wgsl_compile(
    source: Text,
    entry: Text,
    constants: *const Constant,
    count: usize,
    sink: &Sink,
) -> i32 {
    // By default a panic prints; what it says is of no use to whoever wrote the shader.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| set_hook(Box::new(|_| {})));
    let compiled = catch_unwind(AssertUnwindSafe(|| {
        let mut values = PipelineConstants::default();
        for i in 0..count {
            // SAFETY: the caller's promise.
            let constant = unsafe { &*constants.add(i) };
            values.insert(unsafe { text(&constant.name) }?.to_string(), constant.value);
        }
        compile(unsafe { text(&source) }?, unsafe { text(&entry) }?, &values)
    }));
    match compiled {
        Ok(Ok(words)) => {
            (sink.words)(sink.user, words.as_ptr(), words.len());
            0
        }
        Ok(Err(complaints)) => {
            for one in complaints {
                let message = Text { bytes: one.message.as_ptr(), count: one.message.len() };
                (sink.complaint)(sink.user, one.line, one.column, message);
            }
            1
        }
        Err(_) => 2,
    }
}

/// # Safety
/// The text is readable for as long as the result is used.
unsafe fn text<'a>(text: &Text) -> Result<&'a str, Vec<Complaint>> {
    if text.count == 0 {
        return Ok("");
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(text.bytes, text.count) };
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line_begin = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        vec![Complaint {
            line: before.iter().filter(|&&b| b == b'\n').count() as u32 + 1,
            column: (before.len() - line_begin) as u32 + 1,
            message: "this is no UTF-8".to_string(),
        }]
    })
}

fn compile(source: &str, entry: &str, constants: &PipelineConstants) -> Compiled {
    let mut options = naga::front::wgsl::Options::new();
    options.capabilities = CAPABILITIES;
    let module = naga::front::wgsl::Frontend::new_with_options(options)
        .parse(source)
        .map_err(|error| parse_complaints(&error, source))?;
    let info = Validator::new(ValidationFlags::all(), CAPABILITIES)
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|error| complaints_of(&error, source))?;
    let entry = choose(&module, entry)?;
    let (module, info) =
        process_overrides(&module, &info, Some((ShaderStage::Compute, &entry)), constants)
            .map_err(|error| override_complaints(error, source))?;
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: entry };
    spv::write_vec(&module, &info, &writer_options(), Some(&pipeline))
        .map_err(|error| plain(&error))
}

/// The entry point's name: the one that is asked for, or the only one.
fn choose(module: &naga::Module, entry: &str) -> Result<String, Vec<Complaint>> {
    let names: Vec<&str> = module
        .entry_points
        .iter()
        .filter(|one| one.stage == ShaderStage::Compute)
        .map(|one| one.name.as_str())
        .collect();
    let message = match (entry, names.as_slice()) {
        ("", [only]) => return Ok(only.to_string()),
        (_, []) => "there is no compute entry point; one is a function with @compute and \
                    @workgroup_size"
            .to_string(),
        ("", _) => format!("there are several entry points, so one has to be named: {}", names.join(", ")),
        (wanted, _) if names.contains(&wanted) => return Ok(wanted.to_string()),
        (wanted, _) => format!("there is no entry point `{wanted}`; there is: {}", names.join(", ")),
    };
    Err(vec![Complaint { line: 0, column: 0, message }])
}

fn writer_options() -> spv::Options<'static> {
    spv::Options {
        lang_version: (1, 3),
        flags: spv::WriterFlags::DEBUG, // names: bindings are told by them
        capabilities: Some(SPIRV_CAPABILITIES.into_iter().collect()),
        bounds_check_policies: BoundsCheckPolicies {
            // ReadZeroSkipWrite would be kinder, but naga does not have it for atomics.
            index: BoundsCheckPolicy::Restrict,
            buffer: BoundsCheckPolicy::Restrict,
            image_load: BoundsCheckPolicy::Restrict,
            binding_array: BoundsCheckPolicy::Restrict,
        },
        ..spv::Options::default()
    }
}

fn plain(error: &dyn Error) -> Vec<Complaint> {
    vec![Complaint { line: 0, column: 0, message: in_words(error) }]
}

/// The error and its causes: "the outermost: the next: the innermost".
fn in_words(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        message += ": ";
        message += &one.to_string();
        cause = one.source();
    }
    message
}

fn at(span: Span, source: &str, message: String) -> Complaint {
    // A span of naga's may be of another text, or of none.
    let range = span.to_range().filter(|r| r.end <= source.len());
    match range.filter(|r| source.is_char_boundary(r.start) && source.is_char_boundary(r.end)) {
        Some(_) => {
            let place = span.location(source);
            Complaint { line: place.line_number, column: place.line_position, message }
        }
        None => Complaint { line: 0, column: 0, message },
    }
}

fn parse_complaints(error: &naga::front::wgsl::ParseError, source: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (span, label) in error.labels() {
        let first = complaints.is_empty();
        let message = match (first, label) {
            (true, "") => error.message().to_string(),
            (true, label) => format!("{} ({label})", error.message()),
            (false, label) => format!("note: {label}"),
        };
        complaints.push(at(span, source, message));
    }
    if complaints.is_empty() {
        complaints.push(Complaint { line: 0, column: 0, message: error.message().to_string() });
    }
    for note in error.notes().filter(|note| !note.contains("Naga maintainers")) {
        complaints.push(Complaint { line: 0, column: 0, message: format!("note: {note}") });
    }
    complaints
}

fn complaints_of<E: Error>(error: &WithSpan<E>, source: &str) -> Vec<Complaint> {
    let message = in_words(error.as_inner());
    let mut spans = error.spans();
    let mut complaints = match spans.next() {
        Some((span, _)) => vec![at(*span, source, message)],
        None => vec![Complaint { line: 0, column: 0, message }],
    };
    complaints.extend(spans.map(|(span, label)| at(*span, source, format!("note: {label}"))));
    complaints
}

fn override_complaints(
    error: naga::back::pipeline_constants::PipelineConstantError,
    source: &str,
) -> Vec<Complaint> {
    use naga::back::pipeline_constants::PipelineConstantError as Wrong;
    let message = match error {
        Wrong::ValidationError(inner) => return complaints_of(&inner, source),
        Wrong::MissingValue(name) => format!("the override `{name}` has no value; give it one"),
        Wrong::NotFound(name) => format!("there is no override `{name}`"),
        other => in_words(&other),
    };
    vec![Complaint { line: 0, column: 0, message }]
}
