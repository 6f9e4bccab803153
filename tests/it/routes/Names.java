import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.util.HexFormat;
import java.util.List;
import javax.net.ssl.*;

/** Connects to one address with each of some names, trusting one CA, and prints what it got: a certificate and an
    answer, or that it was refused. Why is not printed: the words change from one Java to the next. */
public class Names {
    public static void main(String[] args) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null);
        try (FileInputStream in = new FileInputStream(args[2])) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(trusted);
        for (String name : List.of(args).subList(3, args.length)) {
            // A context of its own: Java resumes sessions by address, and then sends the name of the first connection.
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, managers.getTrustManagers(), null);
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(args[0], Integer.parseInt(args[1]))) {
                SSLParameters parameters = socket.getSSLParameters();
                parameters.setServerNames(List.of(new SNIHostName(name)));
                socket.setSSLParameters(parameters);
                socket.setSoTimeout(60_000);
                socket.startHandshake();
                byte[] leaf = socket.getSession().getPeerCertificates()[0].getEncoded();
                byte[] hash = MessageDigest.getInstance("SHA-256").digest(leaf);
                socket.getOutputStream().write("GET /who HTTP/1.0\r\n\r\n".getBytes());
                String answer = new String(socket.getInputStream().readAllBytes()).strip();
                String last = answer.substring(answer.lastIndexOf('\n') + 1);
                System.out.println(name + " " + HexFormat.of().withUpperCase().formatHex(hash) + " " + last);
            } catch (SSLException error) {
                System.out.println(name + " refused");
            }
        }
    }
}
