#version 450
// Writes one number, which is replaced in the SPIR-V, so that no driver has seen the shader before.
layout(local_size_x = 1) in;
layout(binding = 0) writeonly buffer To { uint to[]; };
void main() { to[0] = 0x5eed1234u; }
