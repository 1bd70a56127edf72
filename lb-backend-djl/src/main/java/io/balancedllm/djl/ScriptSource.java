/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.math.BigDecimal;

/**
 * The text of a GPT-2 model's methods in TorchScript, in the plain form that archives hold. Weights are arguments:
 *
 * <ul>
 *   <li>{@code w}: token embedding, turned over where {@link #turnedTable}, position embedding, final gain and bias, then for each layer the gain and bias of its
 *       first norm, the biases of query-key-value and of the attention's output, the gain and bias of its second norm, the
 *       biases of the inner input and the inner output;
 *   <li>{@code m}: for each layer its matrices query-key-value, attention output, inner input and inner output; last the
 *       matrix to logits; each in all its {@linkplain ScriptLinears#forms forms}.
 * </ul>
 *
 * <p>Tokens of all sequences are packed, [tokens, width]: linear layers run once, attention once for each sequence on its
 * own keys and values, [layers, 2, heads, capacity, head width].
 */
record ScriptSource(Gpt2Config config, LayerRange range, ScriptLinears linears) {
    static final String TYPE = "Gpt2";
    static final int VECTORS = 4;
    static final int VECTORS_PER_LAYER = 8;
    static final int MATRICES_PER_LAYER = 4;

    /**
     * {@return whether the token embedding, [vocabulary, width], is kept turned over, because it is the plain matrix to logits
     * too}
     */
    boolean turnedTable() {
        return linears.plain()
                && range.first()
                && range.last()
                && config.tiedOutput()
                && ScriptLinears.wide(config.width(), config.vocabularySize());
    }

    String text() {
        int width = config.width();
        int inner = config.innerWidth();
        return (METHODS + (range.first() ? EMBED_TOKENS : TAKE_STATES))
                .replace("$LAYERS", String.valueOf(range.size()))
                .replace("$HEADS", String.valueOf(config.heads()))
                .replace("$HEAD_WIDTH", String.valueOf(config.headWidth()))
                .replace("$WIDTH", String.valueOf(config.width()))
                .replace("$EPSILON", number(config.epsilon()))
                .replace("$SCALE", scale())
                .replace("$VECTORS", String.valueOf(VECTORS))
                .replace("$LAYER_VECTORS", String.valueOf(VECTORS_PER_LAYER))
                .replace("$TABLE", turnedTable() ? "torch.transpose(w[0], 0, 1)" : "w[0]")
                .replace("$QUERY_KEY_VALUE", linears.multiply(linear("h", 0, 2, width, 3 * width)))
                .replace("$ATTENTION_OUTPUT", linears.multiply(linear("attended", 1, 3, width, width)))
                .replace("$INNER_INPUT", linears.activate(linear("h", 2, 6, width, inner), config.activation()))
                .replace("$INNER_OUTPUT", linears.multiply(linear("inner", 3, 7, inner, width)))
                .replace("$OUTPUT", linears.multiply(output()))
                .replace("$PACKED", linears.type())
                .replace("$PACK", linears.pack())
                .replace("$SELF", "self: __torch__." + TYPE);
    }

    private ScriptLinears.Product linear(String x, int matrix, int bias, int in, int out) {
        int forms = linears.forms();
        String first = "m[torch.add(torch.mul(" + forms * MATRICES_PER_LAYER + ", l), ";
        return new ScriptLinears.Product(
                x,
                first + forms * matrix + ")]",
                first + (forms * matrix + forms - 1) + ")]",
                vector(bias),
                ScriptLinears.wide(in, out));
    }

    private ScriptLinears.Product output() {
        int forms = linears.forms();
        int first = forms * MATRICES_PER_LAYER * range.size();
        return new ScriptLinears.Product(
                "x",
                "m[" + first + "]",
                "m[" + (first + forms - 1) + "]",
                "None",
                ScriptLinears.wide(config.width(), config.vocabularySize()));
    }

    private static String vector(int index) {
        return "w[torch.add(p, " + index + ")]";
    }

    private String scale() {
        String first = number(config.attentionScale(0));
        return config.scaleByLayer() ? "torch.div(" + first + ", torch.add(l, " + (range.from() + 1) + "))" : first;
    }

    private static String number(float value) {
        String text = new BigDecimal(Float.toString(value)).toPlainString();
        return text.contains(".") ? text : text + ".";
    }

    private static final String EMBED_TOKENS = """
              def begin($SELF, w: List[Tensor], input: Tensor, positions: Tensor) -> Tensor:
                return torch.add(torch.embedding($TABLE, input), torch.embedding(w[1], positions))
            """;

    private static final String TAKE_STATES = """
              def begin($SELF, w: List[Tensor], input: Tensor, positions: Tensor) -> Tensor:
                return torch.to(input, ops.prim.dtype(w[2]))
            """;

    /** A chunk behind known tokens needs a mask; for a whole prompt the fused attention knows its own, faster. */
    private static final String METHODS = """
              def layers($SELF, w: List[Tensor], m: List[$PACKED], kv: List[Tensor], input: Tensor, positions: Tensor, counts: List[int], known: List[int]) -> Tensor:
                x = self.begin(w, input, positions)
                single = torch.eq(torch.size(x, 0), 1)
                sequences = torch.len(kv)
                masks = annotate(List[Optional[Tensor]], [])
                for s in range(sequences):
                  if torch.__and__(torch.gt(counts[s], 1), torch.gt(known[s], 0)):
                    ones = torch.ones([counts[s], torch.add(known[s], counts[s])], dtype=11, device=ops.prim.device(x))
                    _0 = torch.append(masks, torch.tril(ones, known[s]))
                  else:
                    _1 = torch.append(masks, None)
                for l in range($LAYERS):
                  p = torch.add($VECTORS, torch.mul($LAYER_VECTORS, l))
                  h = torch.layer_norm(x, [$WIDTH], w[p], w[torch.add(p, 1)], $EPSILON)
                  qkv = $QUERY_KEY_VALUE
                  outputs = annotate(List[Tensor], [])
                  start = 0
                  for s in range(sequences):
                    count = counts[s]
                    before = known[s]
                    end = torch.add(before, count)
                    rows = torch.slice(qkv, 0, start, torch.add(start, count))
                    start = torch.add(start, count)
                    heads = torch.permute(torch.view(rows, [count, 3, $HEADS, $HEAD_WIDTH]), [1, 2, 0, 3])
                    cache = torch.select(kv[s], 0, l)
                    _2 = torch.copy_(torch.slice(cache, 2, before, end), torch.slice(heads, 0, 1, 3))
                    past = torch.slice(cache, 2, 0, end)
                    q = torch.slice(heads, 0, 0, 1)
                    k = torch.slice(past, 0, 0, 1)
                    v = torch.slice(past, 0, 1, 2)
                    causal = torch.__and__(torch.gt(count, 1), torch.eq(before, 0))
                    o = torch.scaled_dot_product_attention(q, k, v, masks[s], 0., causal, scale=$SCALE)
                    _3 = torch.append(outputs, torch.reshape(torch.transpose(o, 1, 2), [count, $WIDTH]))
                  if torch.eq(sequences, 1):
                    attended = outputs[0]
                  else:
                    attended = torch.cat(outputs, 0)
                  x = torch.add(x, $ATTENTION_OUTPUT)
                  h = torch.layer_norm(x, [$WIDTH], w[torch.add(p, 4)], w[torch.add(p, 5)], $EPSILON)
                  inner = $INNER_INPUT
                  x = torch.add(x, $INNER_OUTPUT)
                return x
              def norm($SELF, w: List[Tensor], states: Tensor) -> Tensor:
                return torch.layer_norm(states, [$WIDTH], w[2], w[3], $EPSILON)
              def head($SELF, w: List[Tensor], m: List[$PACKED], states: Tensor, last: Tensor) -> Tensor:
                x = self.norm(w, torch.index_select(states, 0, last))
                single = torch.eq(torch.size(x, 0), 1)
                return $OUTPUT
              def step($SELF, w: List[Tensor], m: List[$PACKED], kv: List[Tensor], input: Tensor, positions: Tensor, counts: List[int], known: List[int], last: Tensor) -> Tensor:
                return torch.to(self.head(w, m, self.layers(w, m, kv, input, positions, counts, known), last), 6)
              def states($SELF, w: List[Tensor], m: List[$PACKED], kv: List[Tensor], input: Tensor, positions: Tensor, counts: List[int], known: List[int]) -> Tensor:
                return torch.to(self.layers(w, m, kv, input, positions, counts, known), 6)
              def finish($SELF, w: List[Tensor], m: List[$PACKED], states: Tensor, last: Tensor) -> Tensor:
                return torch.to(self.head(w, m, torch.to(states, ops.prim.dtype(w[2])), last), 6)
              def final($SELF, w: List[Tensor], states: Tensor) -> Tensor:
                return torch.to(self.norm(w, torch.to(states, ops.prim.dtype(w[2]))), 6)
              def pack($SELF, matrix: Tensor, bias: Optional[Tensor], turned: bool) -> $PACKED:
                if turned:
                  weight = torch.transpose(matrix, 0, 1)
                else:
                  weight = matrix
                return $PACK
              def lay($SELF, matrix: Tensor, turned: bool) -> Tensor:
                if turned:
                  laid = torch.transpose(matrix, 0, 1)
                else:
                  laid = matrix
                return torch.contiguous(laid)
              def cast($SELF, values: Tensor, type: int) -> Tensor:
                return torch.to(values, type)
              def cache($SELF, tokens: int, like: Tensor) -> Tensor:
                return torch.empty([$LAYERS, 2, $HEADS, tokens, $HEAD_WIDTH], dtype=ops.prim.dtype(like), device=ops.prim.device(like))
              def save($SELF, cache: Tensor, start: int, end: int, apart: bool) -> Tensor:
                part = torch.slice(cache, 3, start, end)
                if apart:
                  block = torch.empty([$LAYERS, 2, $HEADS, torch.sub(end, start), $HEAD_WIDTH], dtype=ops.prim.dtype(cache), device=ops.prim.device(cache))
                  for l in range($LAYERS):
                    _0 = torch.copy_(torch.select(block, 0, l), torch.select(part, 0, l))
                else:
                  block = torch.clone(part, memory_format=0)
                return block
              def restore($SELF, cache: Tensor, block: Tensor, start: int, end: int, apart: bool) -> Tensor:
                part = torch.slice(cache, 3, start, end)
                if apart:
                  for l in range($LAYERS):
                    _0 = torch.copy_(torch.select(part, 0, l), torch.select(block, 0, l))
                else:
                  _1 = torch.copy_(part, block)
                return part
              def floats($SELF, block: Tensor) -> Tensor:
                return torch.to(block, 6)
            """;
}
