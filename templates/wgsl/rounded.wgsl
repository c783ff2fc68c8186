// To f16, of a size of which four have a sum.
fn rounded(x: vec4<f32>) -> vec4<f16> { return vec4<f16>(clamp(x, vec4<f32>(-16376.0), vec4<f32>(16376.0))); }
