/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/** How a {@link ScriptKernel} multiplies by its matrices, as TorchScript. */
enum ScriptLinears {
    /** PyTorch's own, by matrices as they are in the checkpoint. Any device, any precision. */
    PLAIN("script", "Tensor") {
        @Override
        String pack() {
            return "weight";
        }

        @Override
        String multiply(String x, String matrix, String bias) {
            return "torch.linear(%s, %s, %s)".formatted(x, matrix, bias);
        }
    },

    /** oneDNN's, by matrices in the order in which it reads them; activations are computed in the same pass. */
    ONE_DNN("script with oneDNN", "Tensor") {
        @Override
        String pack() {
            return "ops.mkldnn._reorder_linear_weight(torch.contiguous(weight), 1)";
        }

        @Override
        String multiply(String x, String matrix, String bias) {
            return pointwise(x, matrix, bias, "none", "");
        }

        @Override
        String activate(String x, String matrix, String bias, Activation activation) {
            return switch (activation) {
                case GELU_TANH -> pointwise(x, matrix, bias, "gelu", "tanh");
                case GELU_EXACT -> pointwise(x, matrix, bias, "gelu", "none");
                case RELU -> pointwise(x, matrix, bias, "relu", "");
            };
        }

        private String pointwise(String x, String matrix, String bias, String function, String variant) {
            return "ops.mkldnn._linear_pointwise(%s, %s, %s, \"%s\", annotate(List[Optional[number]], []), \"%s\")"
                    .formatted(x, matrix, bias, function, variant);
        }
    },

    /** FBGEMM's, by matrices rounded to fp16, computing in fp32: half the memory to read for each token. */
    HALF("script with fp16 weights", "__torch__.torch.classes.quantized.LinearPackedParamsBase") {
        @Override
        String pack() {
            return "ops.quantized.linear_prepack_fp16(torch.contiguous(weight), bias)";
        }

        @Override
        String multiply(String x, String matrix, String bias) {
            return "ops.quantized.linear_dynamic_fp16(%s, %s)".formatted(x, matrix);
        }
    };

    private final String title;
    private final String type;

    ScriptLinears(String title, String type) {
        this.title = title;
        this.type = type;
    }

    String title() {
        return title;
    }

    /** {@return the type of a packed matrix} */
    String type() {
        return type;
    }

    /** {@return the packed form of {@code weight}, [out, in], which goes with {@code bias}} */
    abstract String pack();

    /** {@return x times a packed matrix plus its bias} */
    abstract String multiply(String x, String matrix, String bias);

    /** {@return the activation of x times a packed matrix plus its bias} */
    String activate(String x, String matrix, String bias, Activation activation) {
        String product = multiply(x, matrix, bias);
        return switch (activation) {
            case GELU_TANH -> "torch.gelu(%s, approximate=\"tanh\")".formatted(product);
            case GELU_EXACT -> "torch.gelu(%s)".formatted(product);
            case RELU -> "torch.relu(%s)".formatted(product);
        };
    }
}
