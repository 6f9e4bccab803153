// Connects several times, one after the other, to the port that is the first argument, in one context, so that Java
// resumes where it can. Each time it sends a byte and waits for the answer's end; it prints the session's version and
// when the session was created. The second argument is the number of connections.

import java.net.InetAddress;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

public class Client {
    public static void main(String[] arguments) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new Trusting()}, null);
        for (int left = Integer.parseInt(arguments[1]); left > 0; left--) {
            InetAddress loopback = InetAddress.getLoopbackAddress();
            int port = Integer.parseInt(arguments[0]);
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(loopback, port)) {
                socket.getOutputStream().write('x');
                while (socket.getInputStream().read() >= 0) {
                }
                System.out.println(socket.getSession().getProtocol() + " " + socket.getSession().getCreationTime());
            }
        }
    }

    static class Trusting implements X509TrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String type) {}

        public void checkServerTrusted(X509Certificate[] chain, String type) {}

        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
