#version 450
// A dispatch that does nothing: what is left is what surrounds it.
layout(local_size_x = 64) in;
void main() {}
