"""The names of the operators that have device kernels, and which of them take numbers that change. Not here: kernels.

Kept apart so that importing torch's device loads neither triton nor the kernels; a test holds it equal to the table.
"""

from __future__ import annotations

UNARY = {
    "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "sqrt": "sqrt", "rsqrt": "rsqrt", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "asin", "acos": "acos",
    "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "erf": "erf", "erfc": "erfc",
    "sigmoid": "sigmoid", "reciprocal": "reciprocal", "silu": "silu", "mish": "mish", "hardswish": "hardswish",
    "hardsigmoid": "hardsigmoid", "neg": "neg", "abs": "abs", "sgn": "sign", "sign": "sign", "floor": "floor",
    "ceil": "ceil", "trunc": "trunc", "round": "round", "asinh": "asinh", "acosh": "acosh", "atanh": "atanh",
    "erfinv": "erfinv", "lgamma": "lgamma",
    "digamma": "digamma", "i0": "i0",
}  # fmt: skip
"""Torch's name -> operation; each as `x`, `x_` and `x.out`."""

SPECIAL = (
    "special_i0e", "special_i1", "special_i1e", "special_modified_bessel_i0", "special_modified_bessel_i1",
    "special_modified_bessel_k0", "special_modified_bessel_k1", "special_scaled_modified_bessel_k0",
    "special_scaled_modified_bessel_k1", "special_bessel_j0", "special_bessel_j1", "special_bessel_y0",
    "special_bessel_y1", "special_spherical_bessel_j0", "special_erfcx", "special_log_ndtr", "special_ndtri",
)  # fmt: skip
"""Operations of torch's own name, each as `x` and `x.out`."""

BINARY = {
    "add.Tensor": "add", "sub.Tensor": "sub", "mul.Tensor": "mul", "div.Tensor": "div", "maximum": "maximum",
    "minimum": "minimum", "pow.Tensor_Tensor": "pow", "pow.Tensor_Scalar": "pow",
    "pow.Scalar": "pow", "atan2": "atan2",
    "eq.Tensor": "eq", "ne.Tensor": "ne", "lt.Tensor": "lt", "le.Tensor": "le", "gt.Tensor": "gt", "ge.Tensor": "ge",
    "eq.Scalar": "eq", "ne.Scalar": "ne", "lt.Scalar": "lt", "le.Scalar": "le", "gt.Scalar": "gt", "ge.Scalar": "ge",
    "bitwise_and.Tensor": "bitwise_and", "bitwise_or.Tensor": "bitwise_or", "bitwise_xor.Tensor": "bitwise_xor",
    "sigmoid_backward": "sigmoid_backward", "tanh_backward": "tanh_backward", "silu_backward": "silu_backward",
    "threshold_backward": "threshold_backward", "hardshrink_backward": "shrink_backward",
    "softshrink_backward": "shrink_backward", "lerp.Scalar": "lerp", "fmod.Tensor": "fmod", "fmod.Scalar": "fmod",
    "remainder.Tensor": "remainder", "remainder.Scalar": "remainder", "floor_divide": "floor_divide",
    "logical_and": "logical_and", "logical_or": "logical_or", "logical_xor": "logical_xor", "fmax": "fmax",
    "fmin": "fmin", "hypot": "hypot", "copysign.Tensor": "copysign", "nextafter": "nextafter",
    "bitwise_left_shift.Tensor": "left_shift", "bitwise_right_shift.Tensor": "right_shift",
    "igamma": "igamma", "igammac": "igammac", "special_zeta": "special_zeta", "gcd": "gcd", "lcm": "lcm",
}  # fmt: skip
"""Torch's name -> operation of two operands; arithmetic ones also in place."""

LOGICAL = {"logical_not": "logical_not", "bitwise_not": "bitwise_not", "isnan": "isnan", "signbit": "signbit"}
"""Torch's name -> operation of one tensor of any type."""

IN_PLACE = ("add_.Tensor", "sub_.Tensor", "mul_.Tensor", "div_.Tensor", "pow_.Scalar", "lerp_.Scalar", "maximum.out",
            "add.out", "sub.out", "mul.out", "div.out",
            "igamma_", "igammac_", "igamma.out", "igammac.out", "special_zeta.out", "gcd_", "lcm_", "gcd.out",
            "lcm.out")  # fmt: skip

WEIGHTED = ("addcmul", "addcmul_", "addcdiv", "addcdiv_", "where.self", "masked_fill.Scalar", "masked_fill_.Scalar",
            "clamp", "clamp_min", "clamp_max", "clamp_", "relu", "relu_", "leaky_relu", "leaky_relu_",
            "leaky_relu_backward", "gelu",
            "gelu_backward", "softplus")  # fmt: skip

OTHERS = (
    "sum", "sum.dim_IntList", "mean", "mean.dim", "amax", "amin", "mm", "bmm", "addmm", "baddbmm", "mm.out", "bmm.out",
    "addmm.out", "baddbmm.out", "_softmax", "_log_softmax", "_softmax_backward_data", "_log_softmax_backward_data",
    "native_layer_norm", "native_layer_norm_backward", "convolution_overrideable", "convolution_backward_overrideable",
    "embedding_dense_backward", "index_select", "cat", "native_dropout", "native_dropout_backward",
)  # fmt: skip

_UNARY_NAMES = (
    *(form for name in UNARY for form in (name, f"{name}_", f"{name}.out")),
    *(form for name in SPECIAL for form in (name, f"{name}.out")),
    "polygamma", "polygamma.out",
)  # fmt: skip
INDEXING = (
    "gather", "take", "put_", "scatter.src", "scatter_.src", "scatter.value", "scatter_.value", "scatter.reduce",
    "scatter_.reduce", "scatter.value_reduce", "scatter_.value_reduce", "scatter_add", "scatter_add_",
    "scatter_reduce.two", "scatter_reduce_.two", "index_add", "index_add_", "index_copy", "index_copy_", "index.Tensor",
    "_unsafe_index.Tensor", "index_put_", "_index_put_impl_",
)  # fmt: skip

MOVES = ("flip", "tril", "tril_", "triu", "triu_")

CHANCE = (
    "uniform_", "normal_", "log_normal_", "cauchy_", "exponential_", "geometric_", "bernoulli_.float", "bernoulli",
    "bernoulli_.Tensor", "random_", "random_.from", "random_.to", "normal.Tensor_Tensor", "normal.Tensor_float",
    "normal.float_Tensor",
)  # fmt: skip

LAYERS = (
    "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit.no_stats", "_batch_norm_with_update",
    "native_batch_norm_backward", "native_group_norm", "nll_loss_forward", "nll_loss_backward",
    "max_pool2d_with_indices", "max_pool2d_with_indices_backward", "avg_pool2d", "avg_pool2d_backward",
    "_adaptive_avg_pool2d", "_adaptive_avg_pool2d_backward", "upsample_nearest2d", "upsample_nearest2d_backward",
    "upsample_bilinear2d", "upsample_bilinear2d_backward", "_thnn_fused_lstm_cell",
    "_thnn_fused_lstm_cell_backward_impl", "_thnn_fused_gru_cell", "_thnn_fused_gru_cell_backward", "_fused_adam_",
    "_fused_adamw_", "_fused_sgd_", "_scaled_dot_product_fused_attention_overrideable",
    "_scaled_dot_product_fused_attention_overrideable_backward",
)  # fmt: skip

REDUCTIONS = (
    "sum.IntList_out", "prod", "prod.dim_int", "aminmax", "any", "any.dim", "any.dims", "all", "all.dim", "all.dims",
    "count_nonzero.dim_IntList", "linalg_vector_norm", "var.correction", "std.correction", "var_mean.correction",
    "std_mean.correction",
)  # fmt: skip

ALONG = (
    "cumsum", "cumsum_", "cumprod", "cumprod_", "_logcumsumexp", "argmax", "argmin", "max", "min", "max.dim", "min.dim",
    "sort", "sort.stable", "argsort.stable", "topk", "searchsorted.Tensor", "bucketize.Tensor",
)  # fmt: skip

VALUES = ("nonzero", "masked_select", "masked_scatter_", "equal", "_unique2", "unique_consecutive", "multinomial")

RANKS = (
    "median", "median.dim_values", "nanmedian", "nanmedian.dim_values", "kthvalue.values", "randperm.generator_out",
    "_cummax_helper", "_cummin_helper",
)  # fmt: skip

BAGS = (
    "_embedding_bag",
    "_embedding_bag_forward_only",
    "_embedding_bag_backward",
    "_embedding_bag_per_sample_weights_backward",
)

COMPOSED = (
    "roll", "masked_fill_.Tensor", "linspace.out", "logspace.out", "histc", "bincount", "_cdist_forward",
    "_cdist_backward", "addmv", "addmv_", "addmv.out", "addbmm", "addbmm_", "addbmm.out",
)  # fmt: skip

VOLUMES = (
    "max_pool3d_with_indices", "max_pool3d_with_indices_backward", "avg_pool3d", "avg_pool3d_backward",
    "_adaptive_avg_pool3d", "_adaptive_avg_pool3d_backward", "upsample_bicubic2d", "upsample_bicubic2d_backward",
    "_upsample_bilinear2d_aa", "_upsample_bilinear2d_aa_backward", "_upsample_bicubic2d_aa",
    "_upsample_bicubic2d_aa_backward", "upsample_linear1d", "upsample_linear1d_backward", "upsample_trilinear3d",
    "upsample_trilinear3d_backward", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "adaptive_max_pool2d_backward", "adaptive_max_pool3d_backward",
)  # fmt: skip

FACTORS = (
    "linalg_cholesky_ex", "cholesky", "linalg_solve_triangular", "triangular_solve", "_cholesky_solve_helper",
    "cholesky_inverse", "linalg_lu_factor_ex", "lu_unpack", "linalg_lu", "linalg_lu_solve", "_linalg_solve_ex",
    "linalg_inv_ex", "_linalg_det", "_linalg_slogdet",
)  # fmt: skip

TAKEN = (
    "upsample_nearest1d_backward", "upsample_nearest3d_backward", "_upsample_nearest_exact1d_backward",
    "_upsample_nearest_exact2d_backward", "_upsample_nearest_exact3d_backward", "replication_pad1d_backward",
    "replication_pad2d_backward", "replication_pad3d_backward",
)  # fmt: skip

PADDING = (
    "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d",
    "replication_pad3d",
)  # fmt: skip

SAMPLING = ("grid_sampler_2d", "grid_sampler_3d", "grid_sampler_2d_backward", "grid_sampler_3d_backward")

ALIGNMENT = ("_ctc_loss", "_ctc_loss_backward")

SCALING = ("_amp_foreach_non_finite_check_and_unscale_", "_amp_update_scale_")

COMPLEX = (
    "angle",
    "complex.out",
    "polar.out",
    "conj_physical",
    "conj_physical.out",
    "vdot",
    "_fft_c2c",
    "_fft_r2c",
    "_fft_c2r",
)

INSIDE = ("fill_.Scalar", "_copy_from", "arange.start_out")
"""Names that Python is asked for only inside another operator; alone the extension does them."""

NOT_COMPOSED = frozenset((
    "alias", "as_strided", "detach", "diagonal", "expand", "lift", "lift_fresh", "permute", "select", "slice", "split",
    "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unfold", "unsqueeze", "view", "_reshape_alias",
    "_unsafe_view", "clone", "_to_copy", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "zero",
    "fill",
    "full", "zeros", "ones", "zeros_like", "ones_like", "item", "sym_numel", "is_complex", "is_same_size", "resize_as",
    "bernoulli", "arange", "cauchy", "exponential", "geometric", "log_normal", "normal", "uniform", "randn",
    "out_dtype",
    "native_dropout", "lstm", "gru", "rnn_tanh", "rnn_relu", "_scaled_dot_product_flash_attention_for_cpu",
))  # fmt: skip
"""Families whose decompositions are not used: views and copies, constants, random numbers."""

ALSO_COMPOSED = ("logsumexp",)
"""Names that torch composes of operators that write to what they resize; its decompositions do not."""

NAMES = tuple(
    dict.fromkeys(
        (
            *_UNARY_NAMES,
            *BINARY,
            *IN_PLACE,
            *WEIGHTED,
            *OTHERS,
            *LOGICAL,
            "div.Tensor_mode",
            "div_.Tensor_mode",
            *INDEXING,
            *MOVES,
            *CHANCE,
            *LAYERS,
            *REDUCTIONS,
            *ALONG,
            *VALUES,
            *RANKS,
            *BAGS,
            *COMPOSED,
            *VOLUMES,
            *FACTORS,
            *SCALING,
            *TAKEN,
            *PADDING,
            *SAMPLING,
            *ALIGNMENT,
            *COMPLEX,
        )
    )
)
"""All names, as torch writes them."""

OPEN = tuple(dict.fromkeys((
    *(name for name in (*BINARY, *IN_PLACE) if not name.startswith("pow")),
    "addcmul", "addcmul_", "addcdiv", "addcdiv_",
    "masked_fill.Scalar", "masked_fill_.Scalar", "leaky_relu", "leaky_relu_", "leaky_relu_backward",
    "_fused_adam_", "_fused_adamw_", "_fused_sgd_",
)))  # fmt: skip
"""Names whose numbers are a kernel's arguments: a call with other numbers is the same recipe."""
