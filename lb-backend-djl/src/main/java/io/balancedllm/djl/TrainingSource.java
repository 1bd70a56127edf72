/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/**
 * The text of the methods that train a GPT-2 model in TorchScript: {@code forward}, the loss of
 * a batch, {@code logits}, and {@code update}, one step of AdamW behind gradients clipped by their global norm. One native call each: on a model of two
 * million parameters the same in single operations of DJL takes longer, for each operation crosses into native code.
 *
 * <p>{@code w} is: token embedding, position embedding, final gain and bias, then for each layer gain, bias, matrix, bias,
 * matrix, bias of the attention and the same of the inner layer, matrices as [in, out].
 */
record TrainingSource(Gpt2Config config) {
    static final String TYPE = "Training";
    static final int TENSORS = 4;
    static final int TENSORS_PER_LAYER = 12;
    /** No target: what follows the end of a text shorter than its batch. */
    static final int NO_TARGET = -100;

    String text() {
        return METHODS.replace("$LAYERS", String.valueOf(config.layers()))
                .replace("$HEADS", String.valueOf(config.heads()))
                .replace("$HEAD_WIDTH", String.valueOf(config.headWidth()))
                .replace("$WIDTH", String.valueOf(config.width()))
                .replace("$TENSORS_PER_LAYER", String.valueOf(TENSORS_PER_LAYER))
                .replace("$TENSORS", String.valueOf(TENSORS))
                .replace("$NO_TARGET", String.valueOf(NO_TARGET))
                .replace("$SELF", "self: __torch__." + TYPE);
    }

    private static final String METHODS = """
              def logits($SELF, w: List[Tensor], ids: Tensor) -> Tensor:
                count = torch.size(ids, 0)
                length = torch.size(ids, 1)
                x = torch.add(torch.embedding(w[0], ids), torch.slice(w[1], 0, 0, length))
                for l in range($LAYERS):
                  p = torch.add($TENSORS, torch.mul($TENSORS_PER_LAYER, l))
                  h = torch.layer_norm(x, [$WIDTH], w[p], w[torch.add(p, 1)], 1.0000000000000001e-05)
                  qkv = torch.linear(h, torch.t(w[torch.add(p, 2)]), w[torch.add(p, 3)])
                  r = torch.permute(torch.view(qkv, [count, length, 3, $HEADS, $HEAD_WIDTH]), [2, 0, 3, 1, 4])
                  o = torch.scaled_dot_product_attention(torch.select(r, 0, 0), torch.select(r, 0, 1), torch.select(r, 0, 2), None, 0., True)
                  o = torch.reshape(torch.transpose(o, 1, 2), [count, length, $WIDTH])
                  x = torch.add(x, torch.linear(o, torch.t(w[torch.add(p, 4)]), w[torch.add(p, 5)]))
                  h = torch.layer_norm(x, [$WIDTH], w[torch.add(p, 6)], w[torch.add(p, 7)], 1.0000000000000001e-05)
                  inner = torch.gelu(torch.linear(h, torch.t(w[torch.add(p, 8)]), w[torch.add(p, 9)]), approximate="tanh")
                  x = torch.add(x, torch.linear(inner, torch.t(w[torch.add(p, 10)]), w[torch.add(p, 11)]))
                x = torch.layer_norm(x, [$WIDTH], w[2], w[3], 1.0000000000000001e-05)
                return torch.linear(torch.reshape(x, [torch.mul(count, length), $WIDTH]), w[0])
              def forward($SELF, w: List[Tensor], ids: Tensor, targets: Tensor) -> Tensor:
                return torch.cross_entropy_loss(self.logits(w, ids), torch.reshape(targets, [-1]), None, 1, $NO_TARGET, 0.)
              def update($SELF, w: List[Tensor], g: List[Tensor], m: List[Tensor], v: List[Tensor], rates: List[float]) -> Tensor:
                squares = torch.sum(torch.mul(g[0], g[0]))
                for i in range(1, torch.len(w)):
                  squares = torch.add(squares, torch.sum(torch.mul(g[i], g[i])))
                norm = torch.sqrt(squares)
                factor = torch.clamp(torch.div(rates[0], torch.add(norm, 9.9999999999999995e-07)), None, 1.)
                for i in range(torch.len(w)):
                  _0 = torch.mul_(g[i], factor)
                  _1 = torch.add_(torch.mul_(m[i], rates[1]), g[i], alpha=torch.sub(1., rates[1]))
                  _2 = torch.addcmul_(torch.mul_(v[i], rates[2]), g[i], g[i], value=torch.sub(1., rates[2]))
                  if torch.eq(torch.dim(w[i]), 2):
                    _3 = torch.mul_(w[i], rates[3])
                  root = torch.add(torch.sqrt(torch.div(v[i], rates[4])), 1.0e-08)
                  _4 = torch.addcdiv_(w[i], m[i], root, value=rates[5])
                  _5 = torch.zero_(g[i])
                return norm
            """;
}
