#version 450
// c = a * b, row by row, n x n, n a multiple of 128: a workgroup makes a square of 128, each
// invocation 8 rows of two vec4 of it in registers; workgroup memory has 8 columns of a and 8 rows
// of b at a time, and the next ones are on their way from memory meanwhile.
layout(local_size_x = 256) in;
layout(binding = 0) readonly buffer A { vec4 a[]; };
layout(binding = 1) readonly buffer B { vec4 b[]; };
layout(binding = 2) writeonly buffer C { vec4 c[]; };
layout(push_constant) uniform Size { uint n; };

const uint stride = 132;  // beyond 128, so that writes of a column fall into different banks
shared float left[8 * stride];
shared vec4 right[8 * 32];

void main() {
    uint id = gl_LocalInvocationIndex;
    uint x = id % 16, y = id / 16;
    uint quads = n / 4;
    uint top = gl_WorkGroupID.y * 128, side = gl_WorkGroupID.x * 32;
    uint a_at = (top + id / 2) * quads + id % 2;
    uint b_at = (id / 32) * quads + side + id % 32;
    vec4 sum[8][2];
    for (int i = 0; i < 8; ++i) sum[i][0] = sum[i][1] = vec4(0);
    vec4 next_a = a[a_at], next_b = b[b_at];
    for (uint from = 0; from < n; from += 8) {
        uint k = id % 2 * 4 * stride + id / 2;
        left[k] = next_a.x;
        left[k + stride] = next_a.y;
        left[k + 2 * stride] = next_a.z;
        left[k + 3 * stride] = next_a.w;
        right[id] = next_b;
        barrier();
        if (from + 8 < n) {
            a_at += 2;
            b_at += 8 * quads;
            next_a = a[a_at];
            next_b = b[b_at];
        }
        for (uint step = 0; step < 8; ++step) {
            vec4 r0 = right[step * 32 + x], r1 = right[step * 32 + 16 + x];
            for (uint i = 0; i < 8; ++i) {
                float l = left[step * stride + y * 8 + i];
                sum[i][0] = fma(vec4(l), r0, sum[i][0]);
                sum[i][1] = fma(vec4(l), r1, sum[i][1]);
            }
        }
        barrier();
    }
    for (uint i = 0; i < 8; ++i) {
        uint at = (top + y * 8 + i) * quads + side + x;
        c[at] = sum[i][0];
        c[at + 16] = sum[i][1];
    }
}
