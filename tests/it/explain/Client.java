// One TLS connection for each line of a file: port, server name, versions, signature schemes, cipher suites; "-" leaves
// Java's default (and sends no server name). For each it prints what it got, or that it got nothing, with a reason that
// is for people only: its words change from one Java to the next.

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.AlgorithmConstraints;
import java.security.AlgorithmParameters;
import java.security.CryptoPrimitive;
import java.security.Key;
import java.security.MessageDigest;
import java.security.cert.X509Certificate;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;

public class Client {
    public static void main(String[] arguments) throws Exception {
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            System.out.println(connect(line.split(" ")));
        }
    }

    static String connect(String[] job) throws Exception {
        // A context of its own, so that no session is resumed.
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new Trusting()}, null);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket()) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setServerNames(job[1].equals("-") ? List.of() : List.of(new SNIHostName(job[1])));
            if (!job[2].equals("-")) parameters.setProtocols(job[2].split(","));
            if (!job[3].equals("-")) parameters.setAlgorithmConstraints(new Only(Set.of(job[3].split(","))));
            if (!job[4].equals("-")) parameters.setCipherSuites(job[4].split(","));
            socket.setSSLParameters(parameters);
            socket.setSoTimeout(60_000);
            socket.connect(new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), Integer.parseInt(job[0])));
            socket.startHandshake();
            SSLSession session = socket.getSession();
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(session.getPeerCertificates()[0].getEncoded());
            return "served " + session.getProtocol() + " " + session.getCipherSuite() + " " + HexFormat.of().formatHex(hash);
        } catch (Exception error) {
            return "refused " + String.valueOf(error.getMessage()).replace('\n', ' ');
        }
    }

    /// Allows these signature schemes, and whatever is none. This is how one JVM can offer other ones each time.
    static final class Only implements AlgorithmConstraints {
        private final Set<String> schemes;

        Only(Set<String> schemes) {
            this.schemes = schemes;
        }

        @Override
        public boolean permits(Set<CryptoPrimitive> primitives, String algorithm, AlgorithmParameters parameters) {
            boolean isScheme = algorithm.matches("(rsa|ecdsa|dsa)_.*|ed25519|ed448");
            return !isScheme || schemes.contains(algorithm);
        }

        @Override
        public boolean permits(Set<CryptoPrimitive> primitives, Key key) {
            return true;
        }

        @Override
        public boolean permits(Set<CryptoPrimitive> primitives, String algorithm, Key key, AlgorithmParameters parameters) {
            return permits(primitives, algorithm, parameters);
        }
    }

    /// What is looked at is which certificate comes, not whether it is good.
    static final class Trusting extends X509ExtendedTrustManager {
        @Override
        public void checkClientTrusted(X509Certificate[] chain, String kind) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String kind) {}

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String kind, java.net.Socket socket) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String kind, java.net.Socket socket) {}

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String kind, SSLEngine engine) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String kind, SSLEngine engine) {}

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
