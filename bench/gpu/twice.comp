#version 450
// Reads each number once and writes its double.
layout(local_size_x = 64) in;
layout(binding = 0) readonly buffer From { float from[]; };
layout(binding = 1) writeonly buffer To { float to[]; };
void main() {
    uint row = gl_NumWorkGroups.x * 64;
    uint i = gl_GlobalInvocationID.y * row + gl_GlobalInvocationID.x;
    if (i < uint(from.length())) to[i] = from[i] * 2.0;
}
