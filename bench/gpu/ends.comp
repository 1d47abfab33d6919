#version 450
// The sum of the first and the last number: it needs all of the input to be there, and takes no
// time with it.
layout(local_size_x = 1) in;
layout(binding = 0) readonly buffer From { float from[]; };
layout(binding = 1) writeonly buffer To { float to[]; };
void main() { to[0] = from[0] + from[from.length() - 1]; }
