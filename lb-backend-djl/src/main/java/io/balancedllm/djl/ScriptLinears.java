/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/** How a {@link ScriptKernel} keeps its matrices and multiplies by them, as TorchScript. */
enum ScriptLinears {
    /**
     * PyTorch's own, by matrices whose memory runs along their longer side: one row of input is multiplied a third faster
     * so than along the shorter. Any device, any precision.
     */
    PLAIN("script", "Tensor", false, true) {
        @Override
        String pack() {
            return "weight";
        }

        @Override
        String multiply(Product product) {
            return product.plainly();
        }
    },

    /** oneDNN's, by matrices in the order in which it reads them; activations are computed in the same pass. */
    ONE_DNN("script with oneDNN", "Tensor", true, false) {
        @Override
        String pack() {
            return ONE_DNN_PACK;
        }

        @Override
        String multiply(Product product) {
            return pointwise(product, "none", "");
        }

        @Override
        String activate(Product product, Activation activation) {
            return pointwise(product, activation);
        }
    },

    /**
     * Both: a single row goes through plain matrices, which PyTorch reads in several streams at a time and so up to a third
     * faster, several rows through oneDNN's. Takes the layers' memory twice.
     */
    ONE_DNN_AND_PLAIN("script with oneDNN and plain", "Tensor", true, true) {
        @Override
        String pack() {
            return ONE_DNN_PACK;
        }

        @Override
        String multiply(Product product) {
            return either(product.plainly(), pointwise(product, "none", ""));
        }

        @Override
        String activate(Product product, Activation activation) {
            return either(activated(product.plainly(), activation), pointwise(product, activation));
        }

        private String either(String plain, String packed) {
            return "(%s if single else %s)".formatted(plain, packed);
        }
    },

    /** FBGEMM's, by matrices rounded to fp16, computing in fp32: half the memory to read for each token. */
    HALF("script with fp16 weights", "__torch__.torch.classes.quantized.LinearPackedParamsBase", true, false) {
        @Override
        String pack() {
            return "ops.quantized.linear_prepack_fp16(torch.contiguous(weight), bias)";
        }

        @Override
        String multiply(Product product) {
            return "ops.quantized.linear_dynamic_fp16(%s, %s)".formatted(product.x(), product.packed());
        }
    };

    private static final String ONE_DNN_PACK = "ops.mkldnn._reorder_linear_weight(torch.contiguous(weight), 1)";

    private final String title;
    private final String type;
    private final boolean packed;
    private final boolean plain;

    ScriptLinears(String title, String type, boolean packed, boolean plain) {
        this.title = title;
        this.type = type;
        this.packed = packed;
        this.plain = plain;
    }

    /**
     * One multiplication, in the program's words.
     *
     * @param x what is multiplied, [rows, in]
     * @param packed the packed matrix
     * @param plain the plain matrix
     * @param bias what is added, or None
     * @param wide whether the plain matrix is [in, out] rather than [out, in]
     */
    record Product(String x, String packed, String plain, String bias, boolean wide) {
        private String plainly() {
            if (!wide) {
                return "torch.linear(%s, %s, %s)".formatted(x, plain, bias);
            }
            return bias.equals("None")
                    ? "torch.mm(%s, %s)".formatted(x, plain)
                    : "torch.addmm(%s, %s, %s)".formatted(bias, x, plain);
        }
    }

    /** {@return whether the memory of a plain matrix runs along its outputs} */
    static boolean wide(int in, int out) {
        return out >= in;
    }

    String title() {
        return title;
    }

    /** {@return the type of a matrix} */
    String type() {
        return type;
    }

    /** {@return whether matrices are kept packed} */
    boolean packed() {
        return packed;
    }

    /** {@return whether matrices are kept plain} */
    boolean plain() {
        return plain;
    }

    /** {@return in how many forms each matrix is kept, the packed one first} */
    int forms() {
        return (packed ? 1 : 0) + (plain ? 1 : 0);
    }

    /** {@return the packed form of {@code weight}, [out, in], which goes with {@code bias}} */
    abstract String pack();

    /** {@return the product} */
    abstract String multiply(Product product);

    /** {@return the activation of the product} */
    String activate(Product product, Activation activation) {
        return activated(multiply(product), activation);
    }

    private static String activated(String product, Activation activation) {
        return switch (activation) {
            case GELU_TANH -> "torch.gelu(%s, approximate=\"tanh\")".formatted(product);
            case GELU_EXACT -> "torch.gelu(%s)".formatted(product);
            case RELU -> "torch.relu(%s)".formatted(product);
        };
    }

    private static String pointwise(Product product, Activation activation) {
        return switch (activation) {
            case GELU_TANH -> pointwise(product, "gelu", "tanh");
            case GELU_EXACT -> pointwise(product, "gelu", "none");
            case RELU -> pointwise(product, "relu", "");
        };
    }

    private static String pointwise(Product product, String function, String variant) {
        return "ops.mkldnn._linear_pointwise(%s, %s, %s, \"%s\", annotate(List[Optional[number]], []), \"%s\")"
                .formatted(product.x(), product.packed(), product.bias(), function, variant);
    }
}
