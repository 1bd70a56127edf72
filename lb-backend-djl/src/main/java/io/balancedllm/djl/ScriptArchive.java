/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Makes a TorchScript archive from source text: a module without parameters and with these methods, as
 * {@code torch.jit.save} would write it. No Python is involved and nothing comes from outside of this jar.
 *
 * @see <a href="https://github.com/pytorch/pytorch/blob/v2.7.1/torch/csrc/jit/docs/serialization.md">TorchScript
 *     serialization</a>
 */
final class ScriptArchive {
    /** The version of the file format, readable since PyTorch 1.10. */
    private static final String VERSION = "10\n";

    private static final int PROTO = 0x80;
    private static final int NEW_OBJECT = 0x81;
    private static final int NEW_FALSE = 0x89;

    private ScriptArchive() {}

    /**
     * Builds the archive.
     *
     * @param type the name of the module's class
     * @param methods the text of its methods, indented by two blanks
     * @return the bytes of the archive
     */
    static byte[] build(String type, String methods) {
        String source = """
                class %s(Module):
                  __parameters__ = []
                  __buffers__ = []
                  training : bool
                """.formatted(type) + methods;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            zip.setMethod(ZipOutputStream.STORED);
            add(zip, "data.pkl", instance(type));
            add(zip, "code/__torch__.py", source.getBytes(StandardCharsets.UTF_8));
            add(zip, "constants.pkl", new byte[] {(byte) PROTO, 2, ')', '.'});
            add(zip, "version", VERSION.getBytes(StandardCharsets.US_ASCII));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    /** A pickle of one object of the class whose only attribute, {@code training}, is false. */
    private static byte[] instance(String type) {
        byte[] name = "training".getBytes(StandardCharsets.US_ASCII);
        ByteArrayOutputStream pickle = new ByteArrayOutputStream();
        pickle.write(PROTO);
        pickle.write(2);
        pickle.writeBytes(("c__torch__\n" + type + "\n").getBytes(StandardCharsets.US_ASCII));
        pickle.write(')');
        pickle.write(NEW_OBJECT);
        pickle.writeBytes(new byte[] {'}', '(', 'X', (byte) name.length, 0, 0, 0});
        pickle.writeBytes(name);
        pickle.write(NEW_FALSE);
        pickle.writeBytes(new byte[] {'u', 'b', '.'});
        return pickle.toByteArray();
    }

    private static void add(ZipOutputStream zip, String name, byte[] content) throws IOException {
        CRC32 checksum = new CRC32();
        checksum.update(content);
        ZipEntry entry = new ZipEntry("kernel/" + name);
        entry.setCrc(checksum.getValue());
        entry.setSize(content.length);
        entry.setCompressedSize(content.length);
        zip.putNextEntry(entry);
        zip.write(content);
        zip.closeEntry();
    }
}
